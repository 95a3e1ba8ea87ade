package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Published vocabularies give the published ids, from tokenizer.json and from GGUF. */
class TokenizerTest {

  /** The first value of each line is a vocabulary; those that are not here are left out. */
  private static Stream<Arguments> ofThoseHere(String... cases) {
    return Stream.of(cases)
        .map(line -> line.split(", "))
        .filter(values -> Shared.isHere("tokenizers/" + values[0]))
        .map(values -> Arguments.of((Object[]) values));
  }

  static Stream<Arguments> tokenizerJsonGivesTheIdsOfHuggingFace() {
    return ofThoseHere(
        "deepseek-v2/, deepseek-v2",
        "deepseek-v3/, deepseek-v3",
        "deepseek-v3-apidocs-r1/, deepseek-r1",
        "saved-by-transformers/v3., deepseek-v3");
  }

  @ParameterizedTest
  @MethodSource
  void tokenizerJsonGivesTheIdsOfHuggingFace(String folder, String vectors) {
    JsonNode cases = Shared.json("tokenizers/test-vectors." + vectors + ".json");
    Tokenizer tokenizer = Shared.tokenizer(folder);
    assertTrue(cases.size() >= 70);
    assertAll(
        StreamSupport.stream(cases.spliterator(), false)
            .map(
                c ->
                    () -> {
                      String text = c.get("text").asText();
                      int[] ids = ints(c.get("ids"));
                      assertArrayEquals(ids, tokenizer.encode(text, false), text);
                      assertEquals(c.get("decoded").asText(), tokenizer.decode(ids, false));
                      assertEquals(
                          StreamSupport.stream(c.get("tokens").spliterator(), false)
                              .map(JsonNode::asText)
                              .toList(),
                          Arrays.stream(ids).mapToObj(tokenizer::piece).toList());
                    }));
  }

  static Stream<Arguments> bosStandsInFrontOnceIfTheModelAsksForIt() {
    return ofThoseHere(
        "deepseek-v3/, 1", // add_bos_token
        "saved-by-transformers/v3., 1", // add_bos_token and a post-processor that adds it
        "deepseek-v3-apidocs-r1/, 0"); // add_bos_token: false
  }

  @ParameterizedTest
  @MethodSource
  void bosStandsInFrontOnceIfTheModelAsksForIt(String folder, int expected) {
    Tokenizer tokenizer = Shared.tokenizer(folder);
    int bos = tokenizer.bos().orElseThrow();
    assertEquals(expected, count(bos, tokenizer.encode("Hello", true)));
    assertEquals(0, count(bos, tokenizer.encode("Hello", false)));
    assertEquals(
        1, count(bos, tokenizer.encode("<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜>", true)));
    assertEquals(expected, tokenizer.encode("", true).length);
  }

  @Test
  void specialTokensInPlainTextAreLettersWhenAskedFor() {
    String text = "<｜User｜>Hi<｜end▁of▁sentence｜><think>";
    Tokenizer tokenizer = Shared.tokenizer("deepseek-v3-apidocs-r1/");
    int[] special = tokenizer.encode(text, false, true);
    assertArrayEquals(new int[] {128803, 23166, 1, 128798}, special);
    int[] plain = tokenizer.encode(text, false, false);
    assertTrue(Arrays.stream(plain).allMatch(id -> id > 2 && id < 128000));
    assertEquals(text, tokenizer.decode(plain, true));
  }

  @Test
  void tokensAreFoundBySpellingAndByText() {
    Tokenizer tokenizer = Shared.tokenizer("deepseek-v3/");
    assertEquals(OptionalInt.of(128803), tokenizer.id("<｜User｜>"));
    assertEquals(OptionalInt.empty(), tokenizer.id("no such token"));
    var newlines = tokenizer.idsContaining(List.of("\n"));
    assertTrue(newlines.contains(tokenizer.id("Ċ").getAsInt()));
    assertTrue(newlines.contains(tokenizer.id("ĊĊ").getAsInt()));
    assertFalse(newlines.contains(tokenizer.id("Ġthe").getAsInt()));
  }

  @Test
  void idsThatEndAnAnswerAreKnownByName() {
    Tokenizer tokenizer = Shared.tokenizer("deepseek-v3/");
    assertEquals(OptionalInt.of(1), tokenizer.eos());
    assertTrue(tokenizer.isEndOfGeneration(1));
    assertTrue(tokenizer.isEndOfGeneration(128805)); // <|EOT|>
    assertFalse(tokenizer.isEndOfGeneration(128803)); // <｜User｜>
    assertFalse(tokenizer.isEndOfGeneration(1199));
  }

  @Test
  void idsWithoutSpellingDecodeToNothing() {
    Tokenizer tokenizer = Shared.tokenizer("deepseek-v3/");
    assertEquals(128815, tokenizer.size());
    assertEquals("", tokenizer.decode(new int[] {129279}, false));
  }

  @Test
  void aLongTextIsNotCutAt512Tokens() {
    Tokenizer tokenizer = Shared.tokenizer("deepseek-v3/");
    String text = "once upon a time ".repeat(2000);
    int[] ids = tokenizer.encode(text, false);
    assertEquals(text, tokenizer.decode(ids, false));
    assertTrue(ids.length >= 8000);
  }

  @Test
  void aLoneSurrogateBecomesTheReplacementCharacter() {
    Tokenizer tokenizer = Shared.tokenizer("deepseek-v3/");
    assertEquals(
        "a\uFFFDb😀\0c", tokenizer.decode(tokenizer.encode("a\uD83Db😀\0c", false), false));
  }

  /** The named skip of those whose licence, or size, keeps them out of the project. */
  @Test
  void theOtherVocabulariesAreHere() {
    Shared.file("tokenizers/llama.cpp-vocabs");
    Shared.file("tokenizers/deepseek-v2");
    Shared.file("tokenizers/saved-by-transformers");
  }

  @Nested
  class OfOlderModels {
    @BeforeAll
    static void areHere() {
      Shared.file("tokenizers/llama.cpp-vocabs");
    }

    @ParameterizedTest
    @CsvSource({
      "deepseek-llm, ''",
      "deepseek-llm, .ik_llama",
      "deepseek-coder, ''",
      "deepseek-coder, .ik_llama"
    })
    void ggufVocabularyGivesTheIdsOfLlamaCpp(String model, String generation) {
      String file = "ggml-vocab-" + model + ".gguf";
      String folder = "tokenizers/llama.cpp-vocabs/";
      String[] texts =
          Shared.text(folder + file + ".inp" + generation).split("\n__ggml_vocab_test__\n", -1);
      String[] lines = Shared.text(folder + file + ".out" + generation).split("\n", -1);
      Tokenizer tokenizer = Shared.tokenizer(file);
      assertTrue(texts.length > 40 && lines.length >= texts.length);
      for (int i = 0; i < texts.length; i++) {
        int[] ids =
            Stream.of(lines[i].trim().split(" "))
                .filter(s -> !s.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
        assertArrayEquals(ids, tokenizer.encode(texts[i], false), texts[i]);
        assertEquals(texts[i], tokenizer.decode(ids, false));
      }
    }

    @Test
    void anAddedLetterIsOneIdAndDecodesToItself() {
      Tokenizer tokenizer = Shared.tokenizer("ggml-vocab-deepseek-llm.gguf");
      int[] ids = tokenizer.encode("ü", false);
      assertEquals(1, ids.length);
      assertEquals("ü", tokenizer.decode(ids, true));
      assertFalse(tokenizer.isSpecial(ids[0]));
    }

    @Test
    void addedLettersStayTokensInPlainText() {
      Tokenizer tokenizer = Shared.tokenizer("ggml-vocab-deepseek-llm.gguf");
      int[] plain = tokenizer.encode("<｜end▁of▁sentence｜>ü", false, false);
      assertFalse(Arrays.stream(plain).anyMatch(tokenizer::isSpecial));
      assertEquals(tokenizer.id("ü").getAsInt(), plain[plain.length - 1]);
      assertEquals("<｜end▁of▁sentence｜>ü", tokenizer.decode(plain, true));
    }
  }

  private static long count(int id, int[] ids) {
    return Arrays.stream(ids).filter(i -> i == id).count();
  }

  private static int[] ints(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
