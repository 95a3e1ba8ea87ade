package dev.yuzui.spi;

/**
 * One layer's latent cache: an entry is the normalised latent and the rotated shared key, [c;
 * k_rope], Lkv + R numbers, whatever the number of heads. DeepSeek-V2 report §2.1.
 *
 * @param entries [pages · pageTokens, Lkv + R] in one of {@link Encoding#caches}
 * @param pageTokens entries a page
 */
public record LatentCache(Tensor entries, int pageTokens) {}
