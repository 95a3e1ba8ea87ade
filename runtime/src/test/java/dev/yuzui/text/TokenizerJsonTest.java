package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A tokenizer.json of a few tokens: what its fields do, and what breaks. */
class TokenizerJsonTest {
  private static final String GOOD =
      """
      {"version": "1.0",
       "added_tokens": [
         {"id": 4, "content": "<s>", "special": true, "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false}],
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
         "use_regex": true},
       "post_processor": null,
       "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
         "use_regex": true},
       "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3},
         "merges": ["a b"]}}
      """;

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{\"bos_token\": \"<s>\", \"add_bos_token\": true}; true",
        "{\"bos_token\": {\"content\": \"<s>\"}, \"add_bos_token\": true}; true",
        "{\"bos_token\": \"<s>\", \"add_bos_token\": false}; false",
        "{\"bos_token\": \"<s>\", \"tokenizer_class\": \"LlamaTokenizerFast\"}; true",
        "{\"bos_token\": \"<s>\"}; false",
        "{\"bos_token\": null, \"add_bos_token\": true}; false"
      })
  void theConfigurationSaysWhetherBosIsAdded(String config, boolean adds) throws IOException {
    Path file = Files.writeString(folder.resolve("tokenizer_config.json"), config);
    try (Tokenizer tokenizer = Tokenizer.of(source(GOOD, Optional.of(file)))) {
      assertArrayEquals(
          adds ? new int[] {4, 2} : new int[] {2}, tokenizer.encode("ab", true), config);
    }
  }

  @Test
  void withoutAConfigurationTheModelsBosIsAdded() throws IOException {
    Path json = Files.writeString(folder.resolve("tokenizer.json"), GOOD);
    try (Tokenizer tokenizer =
        Tokenizer.of(
            new VocabularySource.HuggingFace(
                json, Optional.empty(), Optional.empty(), OptionalInt.of(4), OptionalInt.of(1)))) {
      assertArrayEquals(new int[] {4, 2}, tokenizer.encode("ab", true));
      assertArrayEquals(new int[] {4, 2}, tokenizer.encode("<s>ab", true));
      assertEquals(OptionalInt.of(1), tokenizer.eos());
      assertTrue(tokenizer.isEndOfGeneration(1));
    }
  }

  @Test
  void aPostProcessorMayNameBos() throws IOException {
    String template =
        GOOD.replace(
            "\"post_processor\": null",
            """
            "post_processor": {"type": "TemplateProcessing",
              "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
              "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}}\
            """);
    try (Tokenizer tokenizer = Tokenizer.of(source(template, Optional.empty()))) {
      assertArrayEquals(new int[] {4, 2}, tokenizer.encode("ab", true));
      assertArrayEquals(new int[] {2}, tokenizer.encode("ab", false));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "\"BPE\"; \"Unigram\"; found model type \"Unigram\"",
        "ByteLevel; Whitespace; without a ByteLevel step",
        "\"a\": 0; \"a\": -1; token id: expected 0 to",
        "\"a\": 0; \"a\": 999999999999; token id: expected 0 to",
        "\"a b\"; \"a z\"; the tokenizer library refuses the vocabulary",
        "\"merges\"; merges; expected a tokenizer.json"
      })
  void aBrokenFileSaysWhy(String good, String bad, String message) throws IOException {
    VocabularySource broken = source(GOOD.replace(good, bad), Optional.empty());
    var e = assertThrows(TextException.class, () -> Tokenizer.of(broken).close());
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }

  @Test
  void aMissingFileSaysSo() {
    var e =
        assertThrows(
            TextException.class,
            () ->
                Tokenizer.of(
                        new VocabularySource.HuggingFace(
                            folder.resolve("no.json"), Optional.empty(), Optional.empty()))
                    .close());
    assertTrue(e.getMessage().contains("no.json"), e.getMessage());
  }

  /** Cut or changed anywhere, the file is used or refused: nothing else happens. */
  @Property(tries = 400)
  void aDamagedFileIsRefusedOrUsed(
      @ForAll @IntRange(max = 860) int at, @ForAll byte value, @ForAll boolean cut)
      throws IOException {
    byte[] bytes = GOOD.getBytes(StandardCharsets.UTF_8);
    int i = at % bytes.length;
    bytes[i] = value;
    Path file = Files.createTempFile("tokenizer", ".json");
    try {
      Files.write(file, cut ? Arrays.copyOf(bytes, i) : bytes);
      try (Tokenizer tokenizer =
          Tokenizer.of(
              new VocabularySource.HuggingFace(file, Optional.empty(), Optional.empty()))) {
        assertEquals(tokenizer.encode("ab", false).length, tokenizer.encode("ab", true).length);
      } catch (TextException e) {
        assertTrue(e.getMessage().contains("; "), e.getMessage());
      }
    } finally {
      Files.delete(file);
    }
  }

  private VocabularySource source(String json, Optional<Path> config) throws IOException {
    return new VocabularySource.HuggingFace(
        Files.writeString(folder.resolve("tokenizer.json"), json), config, Optional.empty());
  }
}
