package dev.yuzui.engine.api;

import dev.yuzui.spi.RecordCopy;
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
 * @param rebalanceSteps steps after which experts are placed anew by what was counted meanwhile; 0
 *     leaves them
 * @param loads statistics that placements are made from; without them experts are placed in order
 */
public record Distribution(
    boolean expertParallel,
    Split split,
    int redundantExperts,
    int cpuExpertLayers,
    OptionalLong expertBudget,
    int rebalanceSteps,
    Optional<Path> loads) {

  /**
   * @throws IllegalArgumentException for numbers below 0, and where experts are to lie over all
   *     devices and on some
   */
  public Distribution {
    Expected.atLeast(0, redundantExperts, "Distribution.redundantExperts");
    Expected.atLeast(0, cpuExpertLayers, "Distribution.cpuExpertLayers");
    Expected.atLeast(0, expertBudget.orElse(0), "Distribution.expertBudget");
    Expected.atLeast(0, rebalanceSteps, "Distribution.rebalanceSteps");
    Expected.that(
        !expertParallel || cpuExpertLayers == 0 && expertBudget.isEmpty(),
        "Distribution.expertParallel",
        "neither Distribution.cpuExpertLayers nor Distribution.expertBudget beside it, for it lays"
            + " routed experts over all devices",
        "both");
  }

  public enum Split {
    /** As layers, or as free memory chooses where {@link RuntimeOptions#fit} lets it. */
    ANY,
    /** Each device has some of the layers. */
    LAYER,
    /** The first device has everything dense, routed experts are placed over all. */
    EXPERT
  }

  /** Nothing is asked for. */
  public static final Distribution ANY =
      new Distribution(false, Split.ANY, 0, 0, OptionalLong.empty(), 0, Optional.empty());

  /** In layers, one after another. */
  public static final Distribution LAYERS =
      new Distribution(false, Split.LAYER, 0, 0, OptionalLong.empty(), 0, Optional.empty());

  /** Whether routed experts are to lie elsewhere than the layers they belong to. */
  public boolean namesExperts() {
    return split == Split.EXPERT || cpuExpertLayers > 0 || expertBudget.isPresent();
  }

  /** Whether nothing is asked for, so that free memory may decide. */
  public boolean isOpen() {
    return !expertParallel && split == Split.ANY && !namesExperts();
  }

  public Distribution withExpertParallel() {
    return RecordCopy.with(this, "expertParallel", true);
  }

  public Distribution withSplit(Split mode) {
    return RecordCopy.with(this, "split", mode);
  }

  public Distribution withRedundantExperts(int count) {
    return RecordCopy.with(this, "redundantExperts", count);
  }

  public Distribution withCpuExpertLayers(int count) {
    return RecordCopy.with(this, "cpuExpertLayers", count);
  }

  public Distribution withExpertBudget(long bytes) {
    return RecordCopy.with(this, "expertBudget", OptionalLong.of(bytes));
  }

  public Distribution withLoads(Path file) {
    return RecordCopy.with(this, "loads", Optional.of(file));
  }

  public Distribution withRebalanceSteps(int steps) {
    return RecordCopy.with(this, "rebalanceSteps", steps);
  }
}
