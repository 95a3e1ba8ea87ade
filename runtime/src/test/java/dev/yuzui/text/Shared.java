package dev.yuzui.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Assumptions;

/** Published vocabularies, templates and vectors; tests that need them skip without them. */
final class Shared {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Map<String, Tokenizer> OPEN = new ConcurrentHashMap<>();

  private Shared() {}

  static Path file(String name) {
    Path path = Path.of(System.getProperty("yuzui.shared", "../../shared"), "refdata", name);
    Assumptions.assumeTrue(Files.exists(path), () -> "skipped: reference data not here: " + path);
    return path;
  }

  static JsonNode json(String name) {
    try {
      return JSON.readTree(file(name).toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static String text(String name) {
    try {
      return Files.readString(file(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A folder under tokenizers/, or the beginning of file names in one. */
  static VocabularySource.HuggingFace huggingFace(String name) {
    if (name.endsWith("/")) {
      return (VocabularySource.HuggingFace) Checkpoints.vocabulary(file("tokenizers/" + name));
    }
    return new VocabularySource.HuggingFace(
        file("tokenizers/" + name + "tokenizer.json"),
        Optional.of(file("tokenizers/" + name + "tokenizer_config.json")),
        Optional.empty());
  }

  /** Opened once for all tests: {@code NAME.gguf}, or a folder. */
  static Tokenizer tokenizer(String name) {
    return OPEN.computeIfAbsent(
        name,
        n ->
            Tokenizer.of(
                n.endsWith(".gguf")
                    ? Checkpoints.vocabulary(file("tokenizers/llama.cpp-vocabs/" + n))
                    : huggingFace(n)));
  }

  /**
   * As {@link #tokenizer}; without the reference data, the byte vocabulary of a golden checkpoint.
   */
  static Tokenizer anyTokenizer(String name) {
    Path path =
        Path.of(System.getProperty("yuzui.shared", "../../shared"), "refdata/tokenizers", name);
    if (Files.exists(path)) {
      return tokenizer(name);
    }
    Path golden =
        Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden/v3-f32");
    return OPEN.computeIfAbsent("golden", n -> Tokenizer.of(Checkpoints.vocabulary(golden)));
  }
}
