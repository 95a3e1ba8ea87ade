package dev.yuzui.weights;

import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Opens checkpoints: the format is decided by what lies at the path. */
public final class Checkpoints {
  private Checkpoints() {}

  /**
   * Maps and validates the checkpoint at {@code path}: a GGUF file, any part of a split one, a
   * folder with one GGUF model, or a Hugging Face folder.
   *
   * @throws WeightException if anything is wrong with it
   */
  public static Checkpoint open(Path path) {
    return open(path, MetadataOverrides.NONE, _ -> {});
  }

  /**
   * The same with some of a GGUF's metadata replaced.
   *
   * @param log told what was replaced, and what of the files is left aside
   * @throws WeightException also where something is to be replaced and there is no GGUF
   */
  public static Checkpoint open(Path path, MetadataOverrides overrides, Consumer<String> log) {
    requirePresent(path);
    Arena arena = Arena.ofShared();
    try {
      return Files.isDirectory(path)
          ? openFolder(path, arena, overrides, log)
          : GgufModel.open(path, arena, overrides, log);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  /**
   * What is in the checkpoint at {@code path}, also where {@link #open} refuses it.
   *
   * @throws WeightException if it cannot be read
   */
  public static Listing listing(Path path) {
    requirePresent(path);
    try (Arena arena = Arena.ofShared()) {
      if (!Files.isDirectory(path)) {
        return GgufModel.listing(path, arena);
      }
      if (Files.exists(path.resolve("config.json")) && HfFolder.hasWeights(path)) {
        return HfFolder.listing(path, arena);
      }
      return GgufModel.listing(theOnly(path, ggufs(path)), arena);
    }
  }

  /**
   * The vocabulary at {@code path} alone; works without weights and for other architectures: a
   * GGUF, a folder with tokenizer.json, tiktoken.model or one GGUF model, or one of those files.
   *
   * @throws WeightException if there is none or it is damaged
   */
  public static VocabularySource vocabulary(Path path) {
    return vocabulary(path, MetadataOverrides.NONE, _ -> {});
  }

  /** The same with some of a GGUF's metadata replaced, see {@link #open}. */
  public static VocabularySource vocabulary(
      Path path, MetadataOverrides overrides, Consumer<String> log) {
    requirePresent(path);
    VocabularySource source;
    if (Files.isDirectory(path)) {
      boolean json = Files.exists(path.resolve("tokenizer.json"));
      List<Path> ggufs = json ? List.of() : ggufs(path);
      source =
          ggufs.isEmpty()
              ? huggingFace(path, overrides)
              : GgufModel.vocabulary(theOnly(path, ggufs), overrides, log);
    } else {
      source =
          path.endsWith("tokenizer.json") || path.endsWith(Vocabularies.TIKTOKEN)
              ? huggingFace(path.toAbsolutePath().getParent(), overrides)
              : GgufModel.vocabulary(path, overrides, log);
    }
    if (source instanceof VocabularySource.None(String because)) {
      throw new WeightException(
          path,
          "vocabulary",
          "tokenizer.json, tiktoken.model or a GGUF with tokenizer.ggml.tokens",
          because,
          "give a folder or GGUF that has one");
    }
    return source;
  }

  private static VocabularySource huggingFace(Path folder, MetadataOverrides overrides) {
    requireNone(folder, overrides);
    return Vocabularies.huggingFace(folder);
  }

  private static void requireNone(Path folder, MetadataOverrides overrides) {
    if (!overrides.isEmpty()) {
      throw new WeightException(
          folder,
          "overridden metadata",
          "a GGUF, whose keys it is about",
          "a Hugging Face folder",
          "change its config.json or tokenizer_config.json instead");
    }
  }

  private static Checkpoint openFolder(
      Path folder, Arena arena, MetadataOverrides overrides, Consumer<String> log) {
    if (Files.exists(folder.resolve("config.json")) && HfFolder.hasWeights(folder)) {
      requireNone(folder, overrides);
      return HfFolder.open(folder, arena, log);
    }
    List<Path> ggufs = ggufs(folder);
    if (!ggufs.isEmpty()) {
      return GgufModel.open(theOnly(folder, ggufs), arena, overrides, log);
    }
    if (!Files.exists(folder.resolve("config.json"))) {
      throw new WeightException(
          folder,
          "folder",
          "config.json with safetensors, or one .gguf model",
          "neither",
          "give the folder that the model was downloaded to");
    }
    return HfFolder.open(folder, arena, log);
  }

  private static Path theOnly(Path folder, List<Path> ggufs) {
    return GgufModel.only(ggufs)
        .orElseThrow(
            () ->
                new WeightException(
                    folder,
                    "folder",
                    "one GGUF model",
                    ggufs.stream().map(f -> f.getFileName().toString()).toList().toString(),
                    "name the file you mean"));
  }

  private static List<Path> ggufs(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(f -> f.getFileName().toString().endsWith(".gguf")).sorted().toList();
    } catch (IOException e) {
      throw Mapping.unreadable(folder, e);
    }
  }

  private static void requirePresent(Path path) {
    if (!Files.exists(path)) {
      throw new WeightException(
          path,
          "model",
          "a GGUF file or a Hugging Face folder",
          "nothing at this path",
          "check the path");
    }
  }
}
