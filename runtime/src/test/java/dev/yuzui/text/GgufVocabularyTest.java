package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoint.VocabularySource.Gguf;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Small vocabularies made here: what each GGUF key does. */
class GgufVocabularyTest {

  /** Where each pre-tokenizer cuts; {@code |} marks the cuts. */
  static Stream<Arguments> cuts() {
    return Stream.of(
        // capitals begin a word, contractions stay, Han runs are apart from letters
        Arguments.of("kimi-k2", "get|User|Name"),
        Arguments.of("kimi-k2", "HTTPServer|Name"),
        Arguments.of("kimi-k2", "I've| seen"),
        Arguments.of("kimi-k2", "中文|abc|汉字"),
        Arguments.of("kimi-k2", "123|456|7| +=\n\n"),
        Arguments.of("kimi-k2", "ひらがな|漢字"),
        Arguments.of("deepseek-v3", "中文|abc"),
        Arguments.of("deepseek-v3", "123|4| getUserName"),
        Arguments.of("deepseek-v3", "I|'ve| ++\n"),
        Arguments.of("joyai-llm", "123|4| getUserName|;|中文|abc"),
        Arguments.of("hunyuan-dense", "I|'ve| ++\n"),
        Arguments.of("youtu", "get|User|Name|1|2|中文|한국|abc"),
        Arguments.of("gigachat", "1234| word|'ll|);|\n"),
        Arguments.of("llama3", "123|4| word|);\n"),
        Arguments.of("deepseek-llm", "1|2|3| word|\n|\n"),
        Arguments.of("deepseek-coder", "1|2| word|);|\n"),
        Arguments.of("glm4", "123|4| word|'ll|);\n"),
        Arguments.of("qwen2", "1|2| word|'LL|);\n"),
        Arguments.of("deepseek-r1-qwen", "1|2| word"),
        Arguments.of("llama-bpe", "123|4| word|);\n"),
        Arguments.of("gpt-2", "1234| word|'ll|);|\n"),
        Arguments.of("default", "123|4| word|);"),
        Arguments.of("", "123|4"));
  }

  @ParameterizedTest(name = "{0}: {1}")
  @MethodSource("cuts")
  void aPreTokenizerCutsWhereItsModelDoes(String pre, String marked) {
    String text = marked.replace("|", "");
    // every stretch of the text is a word of this vocabulary, so only the cuts decide
    List<String> words = new ArrayList<>();
    for (int from = 0; from < text.length(); from++) {
      for (int to = from + 1; to <= text.length(); to++) {
        words.add(text.substring(from, to));
      }
    }
    try (Tokenizer tokenizer = Tokenizer.of(gguf(pre, words, List.of()))) {
      String cut =
          Arrays.stream(tokenizer.encode(text, false))
              .mapToObj(id -> tokenizer.decode(new int[] {id}, false))
              .collect(Collectors.joining("|"));
      assertEquals(marked, cut);
    }
  }

  @Test
  void tokenTypesDecideWhatIsMatchedInText() {
    Gguf plain =
        gguf("deepseek-v3", List.of("ab"), List.of("<think>", "<|end|>", "xyz", "<unused>"));
    int n = plain.tokens().size();
    int[] types = plain.types().clone();
    types[n - 4] = 3;
    types[n - 3] = 3;
    types[n - 2] = 4;
    types[n - 1] = 5;
    try (Tokenizer tokenizer = Tokenizer.of(withTypes(plain, types))) {
      assertArrayEquals(new int[] {n - 3}, tokenizer.encode("<|end|>", false));
      assertArrayEquals(new int[] {n - 2}, tokenizer.encode("xyz", false));
      assertTrue(tokenizer.encode("<unused>", false).length > 1);
      assertTrue(tokenizer.encode("<|end|>", false, false).length > 1);
      assertTrue(tokenizer.encode("<think>", false, false).length > 1);
      assertArrayEquals(new int[] {n - 2}, tokenizer.encode("xyz", false, false));
      assertEquals("<think>xyz", tokenizer.decode(new int[] {n - 4, n - 3, n - 2}, true));
      assertTrue(tokenizer.isSpecial(n - 3));
      assertFalse(tokenizer.isSpecial(n - 2));
    }
  }

  @Test
  void aVocabularyThatCannotBeUsedSaysWhy() {
    Gguf good = gguf("deepseek-v3", List.of("ab"), List.of());
    assertMessage(
        "tokenizer.ggml.pre: expected one of chatglm-bpe, deepseek-coder,",
        gguf("made-up", List.of(), List.of()));
    assertMessage(
        "tokenizer.ggml.model: expected \"gpt2\"",
        new Gguf(
            "llama",
            "default",
            good.tokens(),
            good.types(),
            good.merges(),
            0,
            1,
            true,
            false,
            Optional.empty()));
    assertMessage(
        "tokenizer.ggml.merges: expected two tokens and a space between them, found \"az\"",
        new Gguf(
            "gpt2",
            "default",
            good.tokens(),
            good.types(),
            List.of("az"),
            0,
            1,
            true,
            false,
            Optional.empty()));
    assertMessage("tokenizer.ggml.token_type: expected", withTypes(good, new int[] {1}));
    assertMessage(
        "bos_token_id",
        new Gguf(
            "gpt2",
            "default",
            good.tokens(),
            good.types(),
            good.merges(),
            5000,
            1,
            true,
            false,
            Optional.empty()));
    assertMessage(
        "tokenizer.ggml.tokens: expected the vocabulary",
        new Gguf(
            "gpt2",
            "default",
            List.of(),
            new int[0],
            List.of(),
            -1,
            -1,
            false,
            false,
            Optional.empty()));
    assertMessage("has no vocabulary (none given)", new VocabularySource.None("none given"));
  }

  private static void assertMessage(String part, VocabularySource source) {
    var e = assertThrows(TextException.class, () -> Tokenizer.of(source).close());
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  private static Gguf withTypes(Gguf gguf, int[] types) {
    return new Gguf(
        gguf.model(),
        gguf.preTokenizer(),
        gguf.tokens(),
        types,
        gguf.merges(),
        gguf.bos(),
        gguf.eos(),
        gguf.addBos(),
        gguf.addEos(),
        gguf.chatTemplate());
  }

  /** The 256 bytes, {@code words} with the merges that make them letter by letter, and others. */
  private static Gguf gguf(String pre, List<String> words, List<String> others) {
    LinkedHashSet<String> tokens = new LinkedHashSet<>();
    for (int b = 0; b < 256; b++) {
      tokens.add(String.valueOf(ByteAlphabet.charOf(b)));
    }
    LinkedHashSet<String> merges = new LinkedHashSet<>();
    for (String word : words) {
      String spelled = spell(word);
      for (int n = 2; n <= spelled.length(); n++) {
        tokens.add(spelled.substring(0, n));
        merges.add(spelled.substring(0, n - 1) + " " + spelled.charAt(n - 1));
      }
    }
    tokens.addAll(others);
    int[] types = new int[tokens.size()];
    Arrays.fill(types, 1);
    return new Gguf(
        "gpt2",
        pre,
        List.copyOf(tokens),
        types,
        List.copyOf(merges),
        -1,
        -1,
        false,
        false,
        Optional.empty());
  }

  private static String spell(String text) {
    StringBuilder out = new StringBuilder();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      out.append(ByteAlphabet.charOf(b & 0xFF));
    }
    return out.toString();
  }
}
