package dev.yuzui.weights;

import dev.yuzui.weights.Checkpoint.GenerationDefaults;
import java.util.Optional;

/** Sampling defaults of either format, which differ in two names. */
final class Defaults {
  private static final double MOST = 1e6;

  private Defaults() {}

  static GenerationDefaults of(Keys keys, String temperature, String repetitionPenalty) {
    boolean greedy = !keys.flagOr("do_sample", true);
    return new GenerationDefaults(
        greedy ? Optional.of(0.0) : number(keys, temperature),
        keys.has("top_k") ? Optional.of(keys.integer("top_k", -1, 1 << 30)) : Optional.empty(),
        number(keys, "top_p"),
        number(keys, "min_p"),
        number(keys, repetitionPenalty));
  }

  private static Optional<Double> number(Keys keys, String key) {
    return keys.has(key) ? Optional.of(keys.number(key, 0, MOST)) : Optional.empty();
  }
}
