package dev.yuzui.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The vocabulary of a folder as a GGUF has it: tokens and their types in the order of their ids,
 * and in place of the regular expressions that split a text, llama.cpp's name for them.
 */
public final class GgufVocabulary {
  private static final int NORMAL = 1;
  private static final int UNUSED = 5;
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Where several split alike, or a text does not tell them apart, the first is taken. */
  private static final List<String> PREFERRED =
      List.of(
          "deepseek-v3",
          "deepseek-llm",
          "deepseek-coder",
          "kimi-k2",
          "deepseek-r1-qwen",
          "llama-bpe",
          "glm4");

  /** Letters of several scripts, digits, spaces, newlines and signs, in runs and mixed. */
  private static final String SAMPLE =
      "Hello, World! 1234567 3.14 x=12*y_0;\n\n\t if (a) { b += 'c'; }  \r\n don't WE'LL  I'd"
          + " naïve Ünder straße Ελλάδα Привет мир! 你好，世界。こんにちは 안녕하세요 ١٢٣ 🙂🙃 ½ №5 —…“q”"
          + " a/b\\c <tag> #1 @me $9.99 100% ~^|` \u00a0\u3000 end   ";

  private GgufVocabulary() {}

  /**
   * @param size tokens that the model has rows for; ids without a spelling are written as unused
   * @throws TextException if the vocabulary cannot be read, or splits text as no GGUF can say
   */
  public static VocabularySource.Gguf of(VocabularySource source, int size) {
    return switch (source) {
      case VocabularySource.Gguf gguf -> gguf;
      case VocabularySource.HuggingFace hf -> of(hf, size);
      case VocabularySource.Tiktoken tiktoken -> {
        byte[] json = TiktokenJson.write(tiktoken);
        Vocabulary vocabulary = Vocabulary.of(tiktoken, json);
        yield gguf(
            vocabulary, read(tiktoken.ranks(), json), "kimi-k2", size, tiktoken.chatTemplate());
      }
      case VocabularySource.None(String because) ->
          throw new TextException("the checkpoint has no vocabulary (" + because + ")");
    };
  }

  private static VocabularySource.Gguf of(VocabularySource.HuggingFace hf, int size) {
    Vocabulary vocabulary = Vocabulary.of(hf);
    JsonNode json;
    try {
      json = read(hf.tokenizerJson(), Files.readAllBytes(hf.tokenizerJson()));
    } catch (IOException e) {
      throw new TextException(hf.tokenizerJson() + ": cannot be read: " + e.getMessage(), e);
    }
    String named =
        byExpressions(json)
            .or(() -> byBehaviour(hf, vocabulary, json, size))
            .orElseThrow(
                () ->
                    new TextException(
                        hf.tokenizerJson()
                            + ": pre_tokenizer: expected one that splits text as one of "
                            + String.join(", ", TokenizerJson.PreTokenizer.names())
                            + " does, found another; a GGUF cannot name it"));
    return gguf(vocabulary, json, named, size, hf.chatTemplate());
  }

  private static JsonNode read(Path file, byte[] json) {
    try {
      return JSON.readTree(json);
    } catch (IOException e) {
      throw new TextException(
          file + ": expected a tokenizer.json, found " + e.getMessage() + "; download it again", e);
    }
  }

  private static VocabularySource.Gguf gguf(
      Vocabulary vocabulary, JsonNode json, String pre, int size, Optional<String> template) {
    List<String> tokens = new ArrayList<>(size);
    int[] types = new int[Math.max(size, vocabulary.size())];
    for (int id = 0; id < types.length; id++) {
      String piece = vocabulary.piece(id);
      tokens.add(piece.isEmpty() ? "[PAD" + id + "]" : piece);
      types[id] = piece.isEmpty() ? UNUSED : type(vocabulary, id, piece);
    }
    return new VocabularySource.Gguf(
        "gpt2",
        pre,
        tokens,
        types,
        merges(json.path("model").path("merges")),
        vocabulary.bos(),
        vocabulary.eos(),
        vocabulary.addBos(),
        false,
        template);
  }

  /** As the converter decides: special tokens, and those that look like {@code <|this|>}. */
  private static int type(Vocabulary vocabulary, int id, String piece) {
    if (!vocabulary.added().get(id)) {
      return NORMAL;
    }
    boolean control =
        vocabulary.special().get(id)
            || piece.startsWith("<|") && piece.endsWith("|>")
            || piece.startsWith("<｜") && piece.endsWith("｜>");
    return control ? GgufTokenizerJson.CONTROL : GgufTokenizerJson.USER_DEFINED;
  }

  /** Pairs, or as older files have them, two tokens with a space between. */
  private static List<String> merges(JsonNode array) {
    List<String> merges = new ArrayList<>(array.size());
    for (JsonNode merge : array) {
      merges.add(
          merge.isArray() ? merge.path(0).asText() + " " + merge.path(1).asText() : merge.asText());
    }
    return merges;
  }

  /** The name whose regular expressions the file has, to the letter. */
  private static Optional<String> byExpressions(JsonNode json) {
    List<String> splits = new ArrayList<>();
    for (JsonNode step : json.path("pre_tokenizer").path("pretokenizers")) {
      if (step.path("type").asText().equals("Split")) {
        splits.add(step.path("pattern").path("Regex").asText());
      }
    }
    boolean ignoreMerges = json.path("model").path("ignore_merges").asBoolean();
    return candidates().stream()
        .filter(
            name -> {
              var pre = TokenizerJson.PreTokenizer.named(name).orElseThrow();
              return pre.splits().equals(splits) && pre.ignoreMerges() == ignoreMerges;
            })
        .findFirst();
  }

  /** The first name with which a text of everything gives the file's own tokens. */
  private static Optional<String> byBehaviour(
      VocabularySource.HuggingFace hf, Vocabulary vocabulary, JsonNode json, int size) {
    int[] wanted = ids(hf);
    return candidates().stream()
        .filter(
            name ->
                Arrays.equals(wanted, ids(gguf(vocabulary, json, name, size, Optional.empty()))))
        .findFirst();
  }

  private static int[] ids(VocabularySource source) {
    try (Tokenizer tokenizer = Tokenizer.of(source)) {
      return tokenizer.encode(SAMPLE, false, false);
    }
  }

  private static List<String> candidates() {
    List<String> names = new ArrayList<>(PREFERRED);
    TokenizerJson.PreTokenizer.names().stream()
        .filter(name -> !PREFERRED.contains(name))
        .forEach(names::add);
    return names;
  }
}
