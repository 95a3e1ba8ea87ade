package dev.yuzui.engine.plan;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.parallel.ExpertLoads;
import dev.yuzui.parallel.ExpertLoadsFile;
import dev.yuzui.parallel.ParallelException;
import dev.yuzui.weights.Checkpoint;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * How much each expert is used: as it was counted, equally where it was not.
 *
 * @param experts of a layer
 */
record ExpertUse(int experts, Optional<ExpertLoads> known) {

  /**
   * @throws EngineException if the file cannot be read, or has counts of another model
   */
  static ExpertUse of(Checkpoint checkpoint, Optional<Path> file) {
    return new ExpertUse(checkpoint.config().gate().experts(), file.map(f -> read(f, checkpoint)));
  }

  private static ExpertLoads read(Path file, Checkpoint checkpoint) {
    ExpertLoads mine =
        new ExpertLoads(
            checkpoint.config().name(),
            checkpoint.fingerprint(),
            checkpoint.config().gate().experts());
    try {
      mine.merge(ExpertLoadsFile.read(file));
      return mine;
    } catch (ParallelException e) {
      throw new EngineException(
          "Distribution.loads "
              + file
              + ": "
              + e.getMessage()
              + "; count them with yuzui experts -m MODEL -f TEXT --loads FILE");
    }
  }

  /** Tokens of each expert of a layer. */
  long[] tokens(int layer) {
    return known
        .filter(loads -> loads.layers().contains(layer))
        .map(loads -> loads.tokens(layer))
        .orElseGet(
            () -> {
              long[] equal = new long[experts];
              Arrays.fill(equal, 1);
              return equal;
            });
  }

  /** For people: what a placement makes of the counted loads; empty where none were. */
  String balance(DevicePlan plan) {
    if (known.isEmpty()) {
      return ", as if all were used alike, for want of Distribution.loads";
    }
    double[] imbalance =
        IntStream.range(0, plan.experts().size())
            .filter(layer -> known.get().layers().contains(layer))
            .mapToDouble(
                layer -> plan.experts().get(layer).map(p -> p.imbalance(tokens(layer))).orElse(1.0))
            .toArray();
    return String.format(
        Locale.ROOT,
        ", placed as counted: busiest device over the mean %.2f on average, %.2f at worst",
        Arrays.stream(imbalance).average().orElse(1),
        Arrays.stream(imbalance).max().orElse(1));
  }
}
