package dev.yuzui.engine;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How a model is laid over several devices.
 *
 * @param expertParallel every device runs attention for sequences of its own, and routed experts
 *     are placed over all of them
 * @param split what devices share where not expertParallel
 * @param redundantExperts replicas of each layer besides one of each expert
 * @param cpuExpertLayers so many layers, from the first that has experts on, keep their routed ones
 *     on the CPU
 * @param expertBudget bytes of the first device's memory for routed experts, the most used first;
 *     the others stay on the last device
 * @param loads statistics that placements are made from; without them experts are placed in order
 */
public record Distribution(
    boolean expertParallel,
    Split split,
    int redundantExperts,
    int cpuExpertLayers,
    OptionalLong expertBudget,
    Optional<Path> loads) {

  public enum Split {
    /** Each device has some of the layers. */
    LAYER,
    /** The first device has everything dense, routed experts are placed over all. */
    EXPERT
  }

  /** In layers, one after another. */
  public static final Distribution LAYERS =
      new Distribution(false, Split.LAYER, 0, 0, OptionalLong.empty(), Optional.empty());
}
