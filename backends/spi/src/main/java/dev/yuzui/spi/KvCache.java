package dev.yuzui.spi;

/**
 * One layer's cache. With latent attention an entry is the normalised latent and the rotated shared
 * key, [c; k_rope], Lkv + R numbers, whatever the number of heads (DeepSeek-V2 report §2.1); with
 * grouped-query attention the rotated key and the value of each head, {@link GroupedShape#entry}.
 *
 * @param entries [pages · pageTokens, numbers of an entry] in one of {@link Encoding#caches}
 * @param pageTokens entries a page
 */
public record KvCache(Tensor entries, int pageTokens) {}
