package dev.yuzui.convert;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What is converted, and how.
 *
 * @param model a GGUF, or a Hugging Face folder
 * @param output the file, whose name ends in .gguf
 * @param overrides types for some tensors; of several that match the last counts
 * @param importance a file of {@link dev.yuzui.weights.ImportanceMatrix}
 * @param splitBytes the size from which on a file is continued in another
 * @param force whether what is there is replaced, and what a cut run left is made anew
 * @param threads that quantise
 */
public record ConvertOptions(
    Path model,
    Path output,
    TypeMix type,
    List<TypeOverride> overrides,
    Optional<Path> importance,
    OptionalLong splitBytes,
    boolean force,
    int threads) {

  public ConvertOptions {
    overrides = List.copyOf(overrides);
  }
}
