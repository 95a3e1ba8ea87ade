package dev.yuzui.cli.shell;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.sampling.SamplingException;
import dev.yuzui.weights.DamagedWeights;
import java.util.Optional;
import java.util.function.Supplier;

/** Says which weight is damaged when a model computes no numbers. */
public final class NotNumbers {
  private NotNumbers() {}

  /**
   * What {@code work} returns.
   *
   * @throws FailedException if logits were no numbers, with the tensor at fault if there is one
   */
  public static <T> T explained(Engine engine, Supplier<T> work) {
    try {
      return work.get();
    } catch (EngineException e) {
      if (e.getCause() instanceof SamplingException s && s.isOverflow()) {
        throw failure(engine, s.getMessage());
      }
      throw e;
    }
  }

  public static FailedException failure(Engine engine, String found) {
    Optional<String> tensor = DamagedWeights.first(engine.checkpoint());
    return new FailedException(
        engine.checkpoint().path()
            + ": "
            + found
            + tensor
                .map(
                    name ->
                        "; tensor "
                            + name
                            + " holds weights that are NaN or infinite: the file is damaged,"
                            + " download it again")
                .orElse(
                    "; every weight is a number, so computing overflowed: try --kv-cache-dtype f32"
                        + " or --backend reference, and 'yuzui compare' finds the layer"));
  }
}
