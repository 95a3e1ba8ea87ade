package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ranks of tiktoken's give the ids that they give there. */
class TiktokenJsonTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String CONFIG =
      """
      {"tokenizer_class": "TikTokenTokenizer", "bos_token": "[BOS]", "eos_token": "[EOS]",
       "added_tokens_decoder": {
         "%d": {"content": "[BOS]", "special": true},
         "%d": {"content": "[EOS]", "special": true},
         "%d": {"content": "<|tool_call_begin|>", "special": false}},
       "chat_template": "{{ messages[0].content }}"}
      """;

  @TempDir Path folder;

  private VocabularySource.Tiktoken source(Map<Integer, byte[]> ranks, String config)
      throws IOException {
    StringBuilder lines = new StringBuilder();
    ranks.forEach(
        (rank, token) ->
            lines
                .append(Base64.getEncoder().encodeToString(token))
                .append(' ')
                .append(rank)
                .append('\n'));
    return new VocabularySource.Tiktoken(
        Files.writeString(folder.resolve("tiktoken.model"), lines),
        Files.writeString(folder.resolve("tokenizer_config.json"), config),
        Optional.empty());
  }

  /** The 256 bytes, their own ranks, and {@code words} behind them. */
  private static Map<Integer, byte[]> bytesAnd(String... words) {
    Map<Integer, byte[]> ranks = new TreeMap<>();
    for (int b = 0; b < 256; b++) {
      ranks.put(b, new byte[] {(byte) b});
    }
    for (String word : words) {
      ranks.put(ranks.size(), word.getBytes(StandardCharsets.UTF_8));
    }
    return ranks;
  }

  private static Tokenizer tokenizer(VocabularySource.Tiktoken source, String pre) {
    try {
      Path json = source.ranks().resolveSibling("tokenizer.json");
      Files.write(json, TiktokenJson.write(source, pre));
      return Tokenizer.of(
          new VocabularySource.HuggingFace(
              json, Optional.of(source.tokenizerConfig()), Optional.empty()));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aFolderOfMoonshotsIsRead() throws IOException {
    source(bytesAnd("he", "ll", "llo", "中", "ello", "xyz"), CONFIG.formatted(262, 263, 264));
    var source = assertInstanceOf(VocabularySource.Tiktoken.class, Checkpoints.vocabulary(folder));
    assertEquals(Optional.of("{{ messages[0].content }}"), source.chatTemplate());
    try (Tokenizer tokenizer = Tokenizer.of(source)) {
      assertEquals(OptionalInt.of(262), tokenizer.bos());
      assertEquals(OptionalInt.of(263), tokenizer.eos());
      assertFalse(tokenizer.addsBos());
      assertEquals(262 + 256, tokenizer.size());
      assertEquals("<|reserved_token_300|>", tokenizer.piece(300));
      assertArrayEquals(new int[] {260, 32, 256, 258, 259}, encode(tokenizer, "ello hello中"));
      // no two parts make xyz: only as a whole it is a token
      assertArrayEquals(new int[] {261, 32, 'x', 'y', 'z'}, encode(tokenizer, "xyz xyz"));
      assertArrayEquals(
          new int[] {262, 'x', 264, 300},
          encode(tokenizer, "[BOS]x<|tool_call_begin|><|reserved_token_300|>"));
      String forged = "[BOS]x<|tool_call_begin|>";
      int[] letters = tokenizer.encode(forged, true, false);
      assertEquals(forged, tokenizer.decode(letters, false));
      assertTrue(IntStream.of(letters).allMatch(id -> id < 262), Arrays.toString(letters));
      assertEquals("x<|tool_call_begin|>", tokenizer.decode(new int[] {262, 'x', 264}, true));
    }
  }

  private static int[] encode(Tokenizer tokenizer, String text) {
    return tokenizer.encode(text, true);
  }

  /** Vocabularies that BPE learned, at random, against tiktoken's rule as it is written. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6})
  void lowestRanksAreMergedFirst(int seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    Map<Integer, byte[]> tokens = bytesAnd();
    Map<String, Integer> ranks = new HashMap<>();
    tokens.forEach((rank, token) -> ranks.put(latin1(token), rank));
    while (ranks.size() < 256 + 60) {
      List<String> parts = merged(word(random), ranks);
      if (parts.size() > 1) {
        int at = random.nextInt(parts.size() - 1);
        String token = parts.get(at) + parts.get(at + 1);
        tokens.put(ranks.size(), token.getBytes(StandardCharsets.ISO_8859_1));
        ranks.put(token, ranks.size());
      }
    }
    int n = ranks.size();
    VocabularySource.Tiktoken source = source(tokens, CONFIG.formatted(n, n + 1, n + 2));
    try (Tokenizer tokenizer = tokenizer(source, "kimi-k2")) {
      for (int i = 0; i < 300; i++) {
        String word = word(random);
        int[] ids = merged(word, ranks).stream().mapToInt(ranks::get).toArray();
        assertArrayEquals(ids, tokenizer.encode(word, false), word);
      }
    }
  }

  private static String word(SplittableRandom random) {
    StringBuilder word = new StringBuilder();
    int length = 1 + random.nextInt(12);
    for (int i = 0; i < length; i++) {
      word.append((char) ('a' + random.nextInt(3)));
    }
    return word.toString();
  }

  private static String latin1(byte[] token) {
    return new String(token, StandardCharsets.ISO_8859_1);
  }

  private static List<String> merged(String word, Map<String, Integer> ranks) {
    if (ranks.containsKey(word)) {
      return List.of(word);
    }
    List<String> parts = new ArrayList<>(List.of(word.split("")));
    while (true) {
      int best = -1;
      for (int i = 0; i + 1 < parts.size(); i++) {
        Integer rank = ranks.get(parts.get(i) + parts.get(i + 1));
        if (rank != null && (best < 0 || rank < ranks.get(parts.get(best) + parts.get(best + 1)))) {
          best = i;
        }
      }
      if (best < 0) {
        return parts;
      }
      parts.set(best, parts.get(best) + parts.remove(best + 1));
    }
  }

  @Test
  void theIdsOfV3() throws IOException {
    Map<Integer, byte[]> ranks = new TreeMap<>();
    JsonNode json = Shared.json("tokenizers/deepseek-v3/tokenizer.json");
    json.path("model")
        .path("vocab")
        .properties()
        .forEach(e -> ranks.put(e.getValue().asInt(), ByteAlphabet.bytes(e.getKey())));
    Map<String, JsonNode> added = new TreeMap<>();
    for (JsonNode token : json.path("added_tokens")) {
      ranks.remove(token.path("id").asInt());
      added.put(token.path("id").asText(), token);
    }
    assertTrue(ranks.size() > 127_000);
    String config = JSON.writeValueAsString(Map.of("added_tokens_decoder", added));
    JsonNode cases = Shared.json("tokenizers/test-vectors.deepseek-v3.json");
    assertTrue(cases.size() >= 70);
    try (Tokenizer tokenizer = tokenizer(source(ranks, config), "deepseek-v3")) {
      assertAll(
          StreamSupport.stream(cases.spliterator(), false)
              .map(
                  c ->
                      () -> {
                        int[] ids = JSON.convertValue(c.get("ids"), int[].class);
                        String text = c.get("text").asText();
                        assertArrayEquals(ids, tokenizer.encode(text, false), text);
                      }));
    }
  }

  @ParameterizedTest
  @CsvSource({"qwen2, 151643", "llama-bpe, 128000"})
  void theIdsOfVocabulariesThatWereRanksOnce(String name, int base) throws IOException {
    String file = "tokenizers/llama.cpp-vocabs/ggml-vocab-" + name + ".gguf";
    var gguf = (VocabularySource.Gguf) Checkpoints.vocabulary(Shared.file(file));
    Map<Integer, byte[]> ranks = new TreeMap<>();
    for (int id = 0; id < base; id++) {
      ranks.put(id, ByteAlphabet.bytes(gguf.tokens().get(id)));
    }
    String[] texts = Shared.text(file + ".inp").split("\n__ggml_vocab_test__\n", -1);
    String[] expected = Shared.text(file + ".out").split("\n", -1);
    VocabularySource.Tiktoken source = source(ranks, "{\"added_tokens_decoder\": {}}");
    try (Tokenizer tokenizer = tokenizer(source, name)) {
      for (int i = 0; i < texts.length - 1; i++) {
        int[] ids =
            Arrays.stream(expected[i].strip().split(" +"))
                .filter(s -> !s.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
        assertArrayEquals(ids, tokenizer.encode(texts[i], false), texts[i]);
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "YQ== 97x                | line 258: expected a token in base64 and its rank, found YQ== 97x",
        "Y!== 300                | line 258: expected a token in base64",
        "YWI=                    | line 258: expected a token in base64",
        "YQ== 300                | line 258: expected each token and each rank once",
        "YWI= 97                 | line 258: expected each token and each rank once"
      })
  void aDamagedFileSaysWhere(String line, String message) throws IOException {
    VocabularySource.Tiktoken source = source(bytesAnd("xy"), CONFIG.formatted(257, 258, 259));
    Files.writeString(source.ranks(), Files.readString(source.ranks()) + line + "\n");
    var e = assertThrows(TextException.class, () -> Tokenizer.of(source).close());
    assertTrue(e.getMessage().startsWith(source.ranks() + ": " + message), e.getMessage());
  }

  @Test
  void everyByteHasToHaveARank() throws IOException {
    Map<Integer, byte[]> ranks = bytesAnd();
    ranks.remove(200);
    VocabularySource.Tiktoken source = source(ranks, CONFIG.formatted(256, 257, 258));
    var e = assertThrows(TextException.class, () -> Tokenizer.of(source).close());
    assertTrue(e.getMessage().contains("none for byte 200"), e.getMessage());
  }

  @Test
  void aDamagedConfigurationSaysWhere() throws IOException {
    VocabularySource.Tiktoken source =
        source(bytesAnd(), "{\"added_tokens_decoder\": {\"x\": {\"content\": \"[BOS]\"}}}");
    var e = assertThrows(TextException.class, () -> Tokenizer.of(source).close());
    assertTrue(e.getMessage().contains("added_tokens_decoder: expected ids"), e.getMessage());
  }
}
