package dev.yuzui.spark;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the library's messages call by a record and its component, {@code
 * RuntimeOptions.contextLength}, in the words of who asked: {@link YuzuiBatchConfig}'s, or the
 * flags of {@link YuzuiBatchMain}.
 */
final class Names {
  private static final Map<String, String> OF_CONFIG =
      Map.of(
          "RuntimeOptions.model", "YuzuiBatchConfig.model",
          "RuntimeOptions.contextLength", "YuzuiBatchConfig.contextLength",
          "RuntimeOptions.batchTokens", "YuzuiBatchConfig.batchTokens",
          "RuntimeOptions.maxSequences", "YuzuiBatchConfig.maxSequences",
          "RuntimeOptions.threads", "YuzuiBatchConfig.threads",
          "RuntimeOptions.devices", "YuzuiBatchConfig.devices",
          "KvCacheOptions.pages", "YuzuiBatchConfig.cachePages",
          "SamplingParams.temperature", "YuzuiBatchConfig.temperature",
          "GenerateRequest.maxTokens", "YuzuiBatchConfig.maxTokens");

  private static final Map<String, String> OF_FLAGS =
      Map.ofEntries(
          Map.entry("YuzuiBatchConfig.model", "-m"),
          Map.entry("YuzuiBatchConfig.column", "--column"),
          Map.entry("YuzuiBatchConfig.id", "--id"),
          Map.entry("YuzuiBatchConfig.response", "--in"),
          Map.entry("YuzuiBatchConfig.contextLength", "-c"),
          Map.entry("YuzuiBatchConfig.batchTokens", "-b"),
          Map.entry("YuzuiBatchConfig.maxSequences", "--max-num-seqs"),
          Map.entry("YuzuiBatchConfig.cachePages", "--cache-pages"),
          Map.entry("YuzuiBatchConfig.threads", "-t"),
          Map.entry("YuzuiBatchConfig.devices", "--device"),
          Map.entry("YuzuiBatchConfig.temperature", "--temp"),
          Map.entry("YuzuiBatchConfig.maxTokens", "-n"),
          Map.entry("YuzuiBatchConfig.system", "--system"),
          Map.entry("YuzuiBatchConfig.crashFolder", "--out"));

  private static final Pattern COMPONENT = Pattern.compile("\\b[A-Z]\\w+\\.[a-z]\\w*\\b");

  private Names() {}

  /** For people who write programs. */
  static String inConfig(String message) {
    return replaced(OF_CONFIG, message);
  }

  /** For people who type flags. */
  static String inFlags(String message) {
    return replaced(OF_FLAGS, inConfig(message));
  }

  private static String replaced(Map<String, String> names, String message) {
    return COMPONENT
        .matcher(message)
        .replaceAll(
            found -> Matcher.quoteReplacement(names.getOrDefault(found.group(), found.group())));
  }
}
