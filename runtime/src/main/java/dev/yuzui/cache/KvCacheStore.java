package dev.yuzui.cache;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntFunction;

/**
 * Device memory for the KV caches of all layers, and the sequences that share it. A page holds
 * {@code pageTokens} entries of every stream of every layer: page p of a stream is rows
 * p·pageTokens … of its tensor. Not thread-safe.
 */
public final class KvCacheStore implements AutoCloseable {
  private final IntFunction<Backend> backends;
  private final PagePool pool;
  private final int pages;
  private final int pageTokens;
  private final int pagesPerSequence;
  private final int maxSequences;
  private long queriedTokens;
  private long foundTokens;
  private final BitSet usedSlots = new BitSet();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final List<Stream> streams = new ArrayList<>();

  /** One that a layer keeps. */
  record Stream(int layer, String name, KvCache cache) {
    Tensor entries() {
      return cache.entries();
    }
  }

  /** With pages for every sequence to grow to {@code contextLength}. */
  public KvCacheStore(
      Backend backend,
      int layers,
      int entry,
      Encoding encoding,
      int pageTokens,
      int contextLength,
      int maxSequences) {
    this(
        _ -> backend,
        layers,
        entry,
        encoding,
        pageTokens,
        contextLength,
        maxSequences,
        Math.multiplyExact(Math.ceilDiv(contextLength, pageTokens), maxSequences));
  }

  /** With one stream a layer, of {@code entry} numbers. */
  public KvCacheStore(
      IntFunction<Backend> backends,
      int layers,
      int entry,
      Encoding encoding,
      int pageTokens,
      int contextLength,
      int maxSequences,
      int pages) {
    this(
        backends,
        Collections.nCopies(layers, List.of(new CacheStream(CacheStream.ENTRIES, entry))),
        encoding,
        pageTokens,
        contextLength,
        maxSequences,
        pages);
  }

  /**
   * @param backends of the layers
   * @param layers of the model, MTP layers included: the streams of each
   * @param contextLength entries of a sequence at most
   * @param maxSequences sequences open at the same time
   * @param pages they share; fewer than all of them may come to need
   */
  public KvCacheStore(
      IntFunction<Backend> backends,
      List<List<CacheStream>> layers,
      Encoding encoding,
      int pageTokens,
      int contextLength,
      int maxSequences,
      int pages) {
    this.backends = backends;
    this.pageTokens = pageTokens;
    this.pagesPerSequence = Math.ceilDiv(contextLength, pageTokens);
    this.maxSequences = maxSequences;
    this.pages = pages;
    this.pool = new PagePool(pages);
    long rows = (long) pages * pageTokens;
    try {
      for (int i = 0; i < layers.size(); i++) {
        for (CacheStream stream : layers.get(i)) {
          DeviceBuffer buffer =
              backends.apply(i).allocate(encoding.byteSize(rows, stream.width()), "KV cache");
          buffers.add(buffer);
          Tensor entries =
              new Tensor(
                  "cache." + i + "." + stream.name(), buffer, 0, encoding, rows, stream.width());
          streams.add(new Stream(i, stream.name(), new KvCache(entries, pageTokens)));
        }
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** Bytes per token over all streams. */
  public static long bytesPerToken(List<List<CacheStream>> layers, Encoding encoding) {
    return layers.stream()
        .flatMap(List::stream)
        .mapToLong(stream -> encoding.byteSize(1, stream.width()))
        .sum();
  }

  /** What attention looks at. */
  public KvCache layer(int index) {
    return stream(index, CacheStream.ENTRIES);
  }

  /** What the layer keeps under a name. */
  public KvCache stream(int layer, String name) {
    return streams.stream()
        .filter(s -> s.layer() == layer && s.name().equals(name))
        .findFirst()
        .orElseThrow(
            () -> new IllegalArgumentException("layer " + layer + " has no stream " + name))
        .cache();
  }

  public int pageTokens() {
    return pageTokens;
  }

  public int pagesPerSequence() {
    return pagesPerSequence;
  }

  public int maxSequences() {
    return maxSequences;
  }

  /** Pages no sequence holds; those that could still be adopted are among them. */
  public int freePages() {
    return pool.freePages();
  }

  /** Of the free pages, those that {@link Sequence#adopt} may find. */
  public int prefixPages() {
    return pool.idlePages();
  }

  public PrefixStats prefixStats() {
    return new PrefixStats(queriedTokens, foundTokens, pool.evicted());
  }

  void countAdopted(int queried, int found) {
    queriedTokens += queried;
    foundTokens += found;
  }

  /** Nothing published so far is found any more; sequences keep what they hold. */
  public void forgetPrefixes() {
    pool.withdrawAll();
  }

  public int pages() {
    return pages;
  }

  public Sequence openSequence() {
    return new Sequence(this, takeSlot());
  }

  public int openSequences() {
    return usedSlots.cardinality();
  }

  boolean hasSlot() {
    return openSequences() < maxSequences;
  }

  /** Of {@code tokens}, how many {@link Sequence#adopt} would find. */
  int published(int[] tokens) {
    PageKey key = PageKey.ROOT;
    int pages = 0;
    while ((pages + 1) * pageTokens < tokens.length) {
      key = key.next(tokens, pages * pageTokens, pageTokens);
      if (pool.find(key).isEmpty()) {
        break;
      }
      pages++;
    }
    return pages * pageTokens;
  }

  int takeSlot() {
    int slot = usedSlots.nextClearBit(0);
    if (slot >= maxSequences) {
      throw new CacheFullException(
          "all " + maxSequences + " sequences of the KV cache are open; close one first");
    }
    usedSlots.set(slot);
    return slot;
  }

  void freeSlot(int slot) {
    usedSlots.clear(slot);
  }

  PagePool pool() {
    return pool;
  }

  void read(int layer, Tensor entries, MemorySegment to) {
    backends.apply(layer).read(entries, to);
  }

  void write(int layer, Tensor entries, MemorySegment from) {
    backends.apply(layer).write(entries, from);
  }

  List<Stream> streams() {
    return streams;
  }

  /** Copies the first {@code entries} entries of a page in every stream. */
  void copyPage(int from, int to, int entries) {
    try (Arena arena = Arena.ofConfined()) {
      for (Stream stream : streams) {
        Tensor all = stream.entries();
        Tensor source = all.slice("page", (long) from * pageTokens, entries);
        MemorySegment bytes = arena.allocate(source.byteSize());
        read(stream.layer(), source, bytes);
        write(stream.layer(), all.slice("page", (long) to * pageTokens, entries), bytes);
      }
    }
  }

  /**
   * Gives every entry random numbers of the size that normalised latents have, for measurements
   * that do not read what they look at.
   */
  public void fill() {
    forgetPrefixes();
    SplittableRandom random = new SplittableRandom(1);
    Map<Long, MemorySegment> patterns = new HashMap<>(); // by width
    try (Arena arena = Arena.ofConfined()) {
      for (Stream stream : streams) {
        Tensor entries = stream.entries();
        MemorySegment pattern =
            patterns.computeIfAbsent(entries.cols(), _ -> pattern(entries, random, arena));
        backends.apply(stream.layer()).fill(entries, pattern);
      }
    }
  }

  private static MemorySegment pattern(Tensor entries, SplittableRandom random, Arena arena) {
    float[] values = new float[Math.toIntExact(Math.min(entries.rows(), 4096) * entries.cols())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    MemorySegment pattern = arena.allocate(entries.encoding().byteSize(1, values.length), 64);
    Quantizer.encode(entries.encoding(), values, 0, values.length, pattern, 0);
    return pattern;
  }

  @Override
  public void close() {
    buffers.forEach(DeviceBuffer::close);
    buffers.clear();
  }
}
