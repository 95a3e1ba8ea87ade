package dev.yuzui.cache;

import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The KV caches of all ranks: a sequence lives in one of them, where the attention of its rank is.
 * Not thread-safe.
 */
public final class KvCaches implements AutoCloseable {
  private final List<KvCacheStore> stores;
  private final Set<Integer> lost = new HashSet<>();

  /**
   * @param stores of the ranks, all alike
   */
  public KvCaches(List<KvCacheStore> stores) {
    this.stores = List.copyOf(stores);
  }

  public KvCacheStore rank(int rank) {
    return stores.get(rank);
  }

  public int ranks() {
    return stores.size();
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

  private Stream<KvCacheStore> usableStores() {
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
        .filter(KvCacheStore::hasSlot)
        .max(
            Comparator.<KvCacheStore>comparingInt(s -> s.published(tokens))
                .thenComparingInt(KvCacheStore::freePages)
                .thenComparingInt(s -> -stores.indexOf(s)))
        .or(() -> usableStores().findFirst())
        .orElseThrow(() -> new CacheFullException("every device that held sequences failed"))
        .openSequence();
  }

  /** Sequences open at the same time. */
  public int maxSequences() {
    return sum(KvCacheStore::maxSequences);
  }

  /** Pages no sequence holds; those that could still be adopted are among them. */
  public int freePages() {
    return sum(KvCacheStore::freePages);
  }

  public int pages() {
    return sum(KvCacheStore::pages);
  }

  private int sum(ToIntFunction<KvCacheStore> number) {
    int sum = 0; // of every step's counters: a loop
    for (int r = 0; r < stores.size(); r++) {
      sum += lost.contains(r) ? 0 : number.applyAsInt(stores.get(r));
    }
    return sum;
  }

  public PrefixStats prefixStats() {
    return stores.stream()
        .map(KvCacheStore::prefixStats)
        .reduce(
            (a, b) ->
                new PrefixStats(
                    a.queriedTokens() + b.queriedTokens(),
                    a.foundTokens() + b.foundTokens(),
                    a.evictedPages() + b.evictedPages()))
        .orElseThrow();
  }

  /** See {@link KvCacheStore#fill}. */
  public void fill() {
    stores.forEach(KvCacheStore::fill);
  }

  @Override
  public void close() {
    stores.forEach(KvCacheStore::close);
  }
}
