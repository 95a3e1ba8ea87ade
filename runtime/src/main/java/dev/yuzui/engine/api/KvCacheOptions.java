package dev.yuzui.engine.api;

import dev.yuzui.spi.Encoding;

/**
 * The cache of keys and values, or of the latents that stand for them.
 *
 * @param encoding one of {@link Encoding#caches}
 * @param pageTokens cache entries of a page
 * @param pages that all sequences share, or all of a device that has sequences of its own; 0 means
 *     as many as all of them need at full context. With fewer, sequences wait for each other and
 *     more of them may be admitted
 */
public record KvCacheOptions(Encoding encoding, int pageTokens, int pages) {
  /** F16, pages of 64 tokens, full context for every sequence. */
  public static final KvCacheOptions DEFAULT = new KvCacheOptions(Encoding.F16, 64, 0);

  /**
   * @throws IllegalArgumentException for a number that means nothing, or an encoding that caches
   *     cannot have
   */
  public KvCacheOptions {
    Expected.atLeast(1, pageTokens, "KvCacheOptions.pageTokens");
    Expected.atLeast(0, pages, "KvCacheOptions.pages");
    Expected.that(
        Encoding.caches().contains(encoding),
        "KvCacheOptions.encoding",
        "one of " + Encoding.caches().stream().map(Encoding::label).toList(),
        encoding.label());
  }
}
