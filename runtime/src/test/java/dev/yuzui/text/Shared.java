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
import java.util.stream.Stream;
import org.opentest4j.TestAbortedException;

/**
 * Published vocabularies, templates and vectors: those of ../shared where it is there, otherwise
 * the part of them that the project has in tests/reference. What neither has is a named skip.
 */
final class Shared {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Map<String, Tokenizer> OPEN = new ConcurrentHashMap<>();

  private Shared() {}

  private static final Path PUBLISHED =
      Path.of(System.getProperty("yuzui.shared", "../../shared"), "refdata");

  static final Path COMMITTED = Path.of(System.getProperty("yuzui.root", ".."), "tests/reference");

  static Path file(String name) {
    return find(name)
        .orElseThrow(
            () ->
                new TestAbortedException(
                    "no " + name + ": neither in tests/reference nor in " + PUBLISHED));
  }

  private static Optional<Path> find(String name) {
    return Stream.of(PUBLISHED, COMMITTED)
        .map(folder -> folder.resolve(name))
        .filter(Files::exists)
        .findFirst()
        .or(
            () ->
                name.equals("tokenizers/deepseek-v3/")
                    ? Optional.of(V3Part.FOLDER)
                    : Optional.empty());
  }

  /** V3's part: R1's, with place holders where that has the thinking tokens, and with BOS. */
  private static final class V3Part {
    static final Path FOLDER = make();

    private static Path make() {
      Path r1 = COMMITTED.resolve("tokenizers/deepseek-v3-apidocs-r1");
      try {
        Path folder = Files.createDirectories(Path.of("target", "deepseek-v3"));
        String vocabulary =
            Files.readString(r1.resolve("tokenizer.json"))
                .replace("\"<think>\"", "\"<｜place▁holder▁no▁798｜>\"")
                .replace("\"</think>\"", "\"<｜place▁holder▁no▁799｜>\"");
        Files.writeString(folder.resolve("tokenizer.json"), vocabulary);
        String config = Files.readString(r1.resolve("tokenizer_config.json"));
        Files.writeString(
            folder.resolve("tokenizer_config.json"),
            config.replace("\"add_bos_token\": false", "\"add_bos_token\": true"));
        return folder;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** Whether {@link #file} finds it: a name, or the beginning of one, as of a tokenizer. */
  static boolean isHere(String name) {
    return find(name).or(() -> find(name + "tokenizer.json")).isPresent();
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
}
