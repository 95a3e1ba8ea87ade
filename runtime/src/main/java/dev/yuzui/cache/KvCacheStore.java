package dev.yuzui.cache;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
  private long stamps;
  private long queriedTokens;
  private long foundTokens;
  private final BitSet usedSlots = new BitSet();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final List<Stream> streams = new ArrayList<>();

  private final Rings rings;

  /**
   * One that a layer keeps.
   *
   * @param all rows: those in pages, the sequences' rings, those of the step under way
   * @param pageRows rows of a page
   */
  record Stream(int layer, CacheStream kind, Tensor all, int pageRows, Optional<Ring> ring) {
    KvCache cache() {
      long first = ring.map(Ring::first).orElse(all.rows());
      return paged() ? new KvCache(all.slice(all.name(), 0, first), pageRows) : new KvCache(all, 1);
    }

    /** What is in pages. */
    Tensor entries() {
      return cache().entries();
    }

    /** Rows of the first {@code count} entries of a page. */
    Tensor page(int page, int count) {
      return all.slice("page", (long) page * pageRows, count / kind.tokens());
    }

    /** The ring of a sequence. */
    Tensor ringOf(int slot) {
      Ring r = ring.orElseThrow();
      return all.slice("ring", r.first() + (long) slot * r.length(), r.length());
    }

    boolean paged() {
      return kind.tokens() > 0;
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

  /** For streams without rings. */
  public KvCacheStore(
      IntFunction<Backend> backends,
      List<List<CacheStream>> layers,
      Encoding encoding,
      int pageTokens,
      int contextLength,
      int maxSequences,
      int pages) {
    this(
        backends,
        layers,
        encoding,
        pageTokens,
        contextLength,
        maxSequences,
        pages,
        new RingSize(0, 0));
  }

  /**
   * How much room rings have beside the rows that the next step needs.
   *
   * @param step rows of a step at most
   * @param drafts entries at the end of a sequence that may be taken back
   */
  public record RingSize(int step, int drafts) {}

  /**
   * @param backends of the layers
   * @param layers of the model, MTP layers included: the streams of each
   * @param pageTokens a multiple of the tokens that a row of any stream stands for
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
      int pages,
      RingSize ringSize) {
    this.backends = backends;
    this.pageTokens = pageTokens;
    this.pagesPerSequence = Math.ceilDiv(contextLength, pageTokens);
    this.maxSequences = maxSequences;
    this.pages = pages;
    this.pool = new PagePool(pages);
    this.rings = new Rings(this, ringSize.drafts());
    try {
      for (int i = 0; i < layers.size(); i++) {
        for (CacheStream kind : layers.get(i)) {
          add(i, kind, encoding, ringSize);
        }
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private void add(int layer, CacheStream kind, Encoding caches, RingSize size) {
    Encoding encoding = kind.encoding(caches);
    int pageRows = kind.tokens() == 0 ? 0 : pageTokens / kind.tokens();
    if (kind.tokens() > 0 && pageTokens % kind.tokens() != 0) {
      throw new IllegalArgumentException(
          "pages of %d tokens for rows of %d".formatted(pageTokens, kind.tokens()));
    }
    long first = (long) pages * pageRows;
    int length = kind.ring() == 0 ? 0 : kind.ring() + size.drafts();
    long staged = first + (long) maxSequences * length;
    long rows = staged + (kind.staged() ? size.step() : 0);
    DeviceBuffer buffer =
        backends.apply(layer).allocate(encoding.byteSize(rows, kind.width()), "KV cache");
    buffers.add(buffer);
    Tensor all =
        new Tensor("cache." + layer + "." + kind.name(), buffer, 0, encoding, rows, kind.width());
    Optional<Ring> ring =
        length == 0
            ? Optional.empty()
            : Optional.of(new Ring(all, first, length, kind.staged() ? staged : -1));
    streams.add(new Stream(layer, kind, all, Math.max(1, pageRows), ring));
  }

  /** Bytes per token over all streams, of what is kept in pages. */
  public static long bytesPerToken(List<List<CacheStream>> layers, Encoding encoding) {
    return layers.stream()
        .flatMap(List::stream)
        .filter(stream -> stream.tokens() > 0)
        .mapToLong(s -> Math.ceilDiv(s.encoding(encoding).byteSize(1, s.width()), s.tokens()))
        .sum();
  }

  /** Bytes of the rings of all streams: of each sequence, and of the step under way. */
  public static long ringBytes(
      List<List<CacheStream>> layers, Encoding encoding, RingSize size, int sequences) {
    return layers.stream()
        .flatMap(List::stream)
        .filter(s -> s.ring() > 0)
        .mapToLong(
            s ->
                s.encoding(encoding)
                    .byteSize(
                        (long) sequences * (s.ring() + size.drafts())
                            + (s.staged() ? size.step() : 0),
                        s.width()))
        .sum();
  }

  /** What attention looks at. */
  public KvCache layer(int index) {
    return stream(index, CacheStream.ENTRIES);
  }

  /** What the layer keeps under a name. */
  public KvCache stream(int layer, String name) {
    return find(layer, name).cache();
  }

  /** What the layer keeps of the last tokens under a name. */
  public Ring ring(int layer, String name) {
    return find(layer, name).ring().orElseThrow();
  }

  private Stream find(int layer, String name) {
    return streams.stream()
        .filter(s -> s.layer() == layer && s.kind().name().equals(name))
        .findFirst()
        .orElseThrow(
            () -> new IllegalArgumentException("layer " + layer + " has no stream " + name));
  }

  /** What sequences keep of their last tokens. */
  Rings rings() {
    return rings;
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
    rings.forget();
  }

  public int pages() {
    return pages;
  }

  /** Whether there are pages for every sequence to grow to the whole context. */
  public boolean hasPagesForAll() {
    return pages >= (long) maxSequences * pagesPerSequence;
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
    int found = 0;
    while ((pages + 1) * pageTokens < tokens.length) {
      key = key.next(tokens, pages * pageTokens, pageTokens);
      if (pool.find(key).isEmpty()) {
        break;
      }
      pages++;
      found = rings.known(key) ? pages : found;
    }
    return found * pageTokens;
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

  long nextStamp() {
    return ++stamps;
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
        if (!stream.paged() || entries < stream.kind().tokens()) {
          continue;
        }
        Tensor source = stream.page(from, entries);
        MemorySegment bytes = arena.allocate(source.byteSize());
        read(stream.layer(), source, bytes);
        write(stream.layer(), stream.page(to, entries), bytes);
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
    Map<Long, MemorySegment> patterns = new HashMap<>(); // by width and kind
    try (Arena arena = Arena.ofConfined()) {
      for (Stream stream : streams) {
        Tensor rows = stream.all();
        long alike = 2 * rows.cols() + (stream.kind().exact() ? 1 : 0);
        MemorySegment pattern = patterns.computeIfAbsent(alike, _ -> pattern(rows, random, arena));
        backends.apply(stream.layer()).fill(rows, pattern);
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
