package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.spi.Encoding;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.Option;

/** The type of the KV cache: keys and values are one stream, so they have one. */
public final class CacheTypeOptions {
  private static final String FLAG = "--kv-cache-dtype";

  @Option(
      names = FLAG,
      paramLabel = "TYPE",
      converter = Ranges.CacheEncoding.class,
      description = "f32, f16, bf16, fp8 or q8_0 (default: f16).")
  private Optional<Encoding> type = Optional.empty();

  @Option(
      names = {"-ctk", "--cache-type-k"},
      hidden = true,
      converter = Ranges.CacheEncoding.class)
  private Optional<Encoding> keys = Optional.empty();

  @Option(
      names = {"-ctv", "--cache-type-v"},
      hidden = true,
      converter = Ranges.CacheEncoding.class)
  private Optional<Encoding> values = Optional.empty();

  /**
   * The type that was asked for, if any.
   *
   * @throws UsageException if two flags differ
   */
  public Optional<Encoding> type() {
    Map<String, Encoding> given = new LinkedHashMap<>();
    type.ifPresent(t -> given.put(FLAG, t));
    keys.ifPresent(t -> given.put("-ctk", t));
    values.ifPresent(t -> given.put("-ctv", t));
    if (Set.copyOf(given.values()).size() > 1) {
      throw UsageException.ofFlag(
          String.join(", ", given.keySet()),
          "one type, for the KV cache holds keys and values in one",
          String.join(" and ", given.values().stream().map(Encoding::label).toList()));
    }
    return given.values().stream().findFirst();
  }
}
