package dev.yuzui.cache;

import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The latent caches of all ranks: a sequence lives in one of them, where the attention of its rank
 * is. Not thread-safe.
 */
public final class LatentCaches implements AutoCloseable {
  private final List<LatentCacheStore> stores;
  private final Set<Integer> lost = new HashSet<>();

  /**
   * @param stores of the ranks, all alike
   */
  public LatentCaches(List<LatentCacheStore> stores) {
    this.stores = List.copyOf(stores);
  }

  public LatentCacheStore rank(int rank) {
    return stores.get(rank);
  }

  /** The rank that has the sequence. */
  public int rankOf(Sequence sequence) {
    return stores.indexOf(sequence.store());
  }

  /** From now on no sequence is opened in a rank, whose device is gone. */
  public void lose(int rank) {
    lost.add(rank);
  }

  public boolean isLost(int rank) {
    return lost.contains(rank);
  }

  /** Whether sequences can still be opened. */
  public boolean usable() {
    return lost.size() < stores.size();
  }

  private Stream<LatentCacheStore> usableStores() {
    return IntStream.range(0, stores.size()).filter(r -> !lost.contains(r)).mapToObj(stores::get);
  }

  /**
   * A sequence of the rank with the most free pages.
   *
   * @throws CacheFullException when every rank has all its sequences open
   */
  public Sequence openSequence() {
    return openSequence(new int[0]);
  }

  /**
   * A sequence of the rank that {@link Sequence#adopt} finds most of {@code tokens} in; of equals,
   * the one with the most free pages.
   *
   * @throws CacheFullException when every rank has all its sequences open
   */
  public Sequence openSequence(int[] tokens) {
    if (stores.size() == 1) {
      return stores.getFirst().openSequence();
    }
    return usableStores()
        .filter(LatentCacheStore::hasSlot)
        .max(
            Comparator.<LatentCacheStore>comparingInt(s -> s.published(tokens))
                .thenComparingInt(LatentCacheStore::freePages)
                .thenComparingInt(s -> -stores.indexOf(s)))
        .or(() -> usableStores().findFirst())
        .orElseThrow(() -> new CacheFullException("every device that held sequences failed"))
        .openSequence();
  }

  /** Sequences open at the same time. */
  public int maxSequences() {
    return sum(LatentCacheStore::maxSequences);
  }

  /** Pages no sequence holds; those that could still be adopted are among them. */
  public int freePages() {
    return sum(LatentCacheStore::freePages);
  }

  public int pages() {
    return sum(LatentCacheStore::pages);
  }

  private int sum(ToIntFunction<LatentCacheStore> number) {
    return usableStores().mapToInt(number).sum();
  }

  public PrefixStats prefixStats() {
    return stores.stream()
        .map(LatentCacheStore::prefixStats)
        .reduce(
            (a, b) ->
                new PrefixStats(
                    a.queriedTokens() + b.queriedTokens(),
                    a.foundTokens() + b.foundTokens(),
                    a.evictedPages() + b.evictedPages()))
        .orElseThrow();
  }

  /** See {@link LatentCacheStore#fill}. */
  public void fill() {
    stores.forEach(LatentCacheStore::fill);
  }

  @Override
  public void close() {
    stores.forEach(LatentCacheStore::close);
  }
}
