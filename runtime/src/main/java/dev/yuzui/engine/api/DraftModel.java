package dev.yuzui.engine.api;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/**
 * A smaller model with the same tokens, which guesses what a larger one will say: R1's distillation
 * of 1.5 B weights for the one of 32 B, say.
 *
 * @param model a GGUF file or a Hugging Face folder
 * @param device where it runs, as {@link RuntimeOptions#devices} names them; empty: the model's
 *     first
 */
public record DraftModel(Path model, Optional<String> device) {
  public DraftModel {
    Objects.requireNonNull(model);
    Objects.requireNonNull(device);
  }
}
