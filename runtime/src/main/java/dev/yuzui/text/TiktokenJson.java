package dev.yuzui.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes a vocabulary of tiktoken's as a tokenizer.json. tiktoken merges the two neighbours whose
 * union has the lowest rank; a token's own merge is therefore of the two parts that are left of it
 * when everything of a lower rank has been merged, and the merges go in the order of the ranks.
 */
final class TiktokenJson {
  /** Special tokens behind the ranks; those that the configuration does not name are reserved. */
  private static final int SPECIAL = 256;

  private static final int MAX_ID = 1 << 24;
  private static final ObjectMapper JSON = new ObjectMapper();

  private TiktokenJson() {}

  static byte[] write(VocabularySource.Tiktoken source) {
    return write(source, "kimi-k2");
  }

  /**
   * @param preTokenizer by llama.cpp's name
   */
  static byte[] write(VocabularySource.Tiktoken source, String preTokenizer) {
    Map<String, Integer> ranks = ranks(source.ranks());
    Map<String, Integer> ids = new HashMap<>();
    ranks.forEach((token, rank) -> ids.put(spelled(token), rank));
    List<TokenizerJson.Added> added = added(source.tokenizerConfig(), ranks);
    // the library counts on from the vocabulary's end where an added token is not in it
    added.forEach(token -> ids.putIfAbsent(token.content(), token.id()));
    return new TokenizerJson(
            TokenizerJson.PreTokenizer.named(preTokenizer).orElseThrow(), added, ids, merges(ranks))
        .write();
  }

  /** Tokens, each byte a character, with their ranks. */
  private static Map<String, Integer> ranks(Path file) {
    List<String> lines;
    try {
      lines = Files.readAllLines(file, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new TextException(file + ": cannot be read: " + e.getMessage(), e);
    }
    Map<String, Integer> ranks = new HashMap<>(2 * lines.size());
    Map<Integer, Integer> lineOf = new HashMap<>(2 * lines.size());
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).strip();
      if (line.isEmpty()) {
        continue;
      }
      String[] words = line.split(" ");
      String token = words.length == 2 ? decoded(words[0]) : "";
      boolean number = words.length == 2 && words[1].matches("\\d{1,8}");
      int rank = number ? Integer.parseInt(words[1]) : MAX_ID;
      if (token.isEmpty() || rank >= MAX_ID) {
        throw damaged(file, i, "a token in base64 and its rank", line);
      }
      if (ranks.put(token, rank) != null || lineOf.put(rank, i) != null) {
        throw damaged(file, i, "each token and each rank once", line + " a second time");
      }
    }
    for (int b = 0; b < 256; b++) {
      if (!ranks.containsKey(String.valueOf((char) b))) {
        throw new TextException(
            file
                + ": expected a rank for each of the 256 bytes, found none for byte "
                + b
                + "; download it again");
      }
    }
    return ranks;
  }

  private static TextException damaged(Path file, int line, String expected, String found) {
    return new TextException(
        "%s: line %d: expected %s, found %s; download it again"
            .formatted(file, line + 1, expected, found));
  }

  /** Empty if it is no base64. */
  private static String decoded(String base64) {
    try {
      return new String(Base64.getDecoder().decode(base64), StandardCharsets.ISO_8859_1);
    } catch (IllegalArgumentException _) {
      return "";
    }
  }

  private static String spelled(String token) {
    StringBuilder out = new StringBuilder(token.length());
    token.chars().forEach(b -> out.append(ByteAlphabet.charOf(b)));
    return out.toString();
  }

  private static List<TokenizerJson.Merge> merges(Map<String, Integer> ranks) {
    List<TokenizerJson.Merge> merges = new ArrayList<>(ranks.size());
    ranks.entrySet().stream()
        .filter(entry -> entry.getKey().length() > 1)
        .sorted(Comparator.comparingInt(Map.Entry::getValue))
        .forEach(
            entry -> {
              List<String> parts = parts(entry.getKey(), entry.getValue(), ranks);
              if (parts.size() == 2) { // else only a piece that is the token as a whole gives it
                merges.add(
                    new TokenizerJson.Merge(spelled(parts.getFirst()), spelled(parts.getLast())));
              }
            });
    return merges;
  }

  /** What is left of {@code token} when all that has a rank below its own is merged. */
  private static List<String> parts(String token, int rank, Map<String, Integer> ranks) {
    List<String> parts = new ArrayList<>(token.length());
    token.chars().forEach(b -> parts.add(String.valueOf((char) b)));
    while (parts.size() > 1) {
      int best = -1;
      int lowest = rank;
      for (int i = 0; i + 1 < parts.size(); i++) {
        int r = ranks.getOrDefault(parts.get(i) + parts.get(i + 1), rank);
        if (r < lowest) {
          lowest = r;
          best = i;
        }
      }
      if (best < 0) {
        break;
      }
      parts.set(best, parts.get(best) + parts.remove(best + 1));
    }
    return parts;
  }

  private static List<TokenizerJson.Added> added(Path config, Map<String, Integer> ranks) {
    int first = 1 + ranks.values().stream().mapToInt(Integer::intValue).max().orElse(-1);
    Map<Integer, TokenizerJson.Added> added = new TreeMap<>();
    for (int id = first; id < first + SPECIAL; id++) {
      added.put(id, new TokenizerJson.Added(id, "<|reserved_token_" + id + "|>", true));
    }
    JsonNode named;
    try {
      named = JSON.readTree(config.toFile()).path("added_tokens_decoder");
    } catch (IOException e) {
      throw new TextException(
          config + ": expected JSON, found " + e.getMessage() + "; download it again", e);
    }
    for (Map.Entry<String, JsonNode> token : named.properties()) {
      int id = token.getKey().matches("\\d{1,8}") ? Integer.parseInt(token.getKey()) : MAX_ID;
      String content = token.getValue().path("content").asText();
      if (id >= MAX_ID || content.isEmpty()) {
        throw new TextException(
            config
                + ": added_tokens_decoder: expected ids with a content, found \""
                + token.getKey()
                + "\": "
                + token.getValue()
                + "; download it again");
      }
      added.put(
          id, new TokenizerJson.Added(id, content, token.getValue().path("special").asBoolean()));
    }
    return List.copyOf(added.values());
  }
}
