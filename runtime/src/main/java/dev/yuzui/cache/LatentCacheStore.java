package dev.yuzui.cache;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Device memory for the latent caches of all layers, and the sequences that share it. A page holds
 * {@code pageTokens} entries of every layer: page p of layer i is rows p·pageTokens … of that
 * layer's tensor. Not thread-safe.
 */
public final class LatentCacheStore implements AutoCloseable {
  private final Backend backend;
  private final PagePool pool;
  private final int pages;
  private final int pageTokens;
  private final int pagesPerSequence;
  private final int maxSequences;
  private final BitSet usedSlots = new BitSet();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final List<LatentCache> layers = new ArrayList<>();

  /**
   * @param layers of the model, MTP layers included
   * @param entry numbers of an entry, Lkv + R
   * @param contextLength entries of a sequence at most
   * @param maxSequences sequences open at the same time
   */
  public LatentCacheStore(
      Backend backend,
      int layers,
      int entry,
      Encoding encoding,
      int pageTokens,
      int contextLength,
      int maxSequences) {
    this.backend = backend;
    this.pageTokens = pageTokens;
    this.pagesPerSequence = Math.ceilDiv(contextLength, pageTokens);
    this.maxSequences = maxSequences;
    this.pages = Math.multiplyExact(pagesPerSequence, maxSequences);
    this.pool = new PagePool(pages);
    long rows = (long) pages * pageTokens;
    try {
      for (int i = 0; i < layers; i++) {
        DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, entry), "latent cache");
        buffers.add(buffer);
        this.layers.add(
            new LatentCache(
                new Tensor("cache." + i, buffer, 0, encoding, rows, entry), pageTokens));
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** Bytes per token over all layers. */
  public static long bytesPerToken(int layers, int entry, Encoding encoding) {
    return layers * encoding.byteSize(1, entry);
  }

  public LatentCache layer(int index) {
    return layers.get(index);
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

  public int freePages() {
    return pool.freePages();
  }

  public int pages() {
    return pages;
  }

  public Sequence openSequence() {
    return new Sequence(this, takeSlot());
  }

  int takeSlot() {
    int slot = usedSlots.nextClearBit(0);
    if (slot >= maxSequences) {
      throw new CacheFullException(
          "all " + maxSequences + " sequences of the latent cache are open; close one first");
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

  /** Copies the first {@code entries} entries of a page in every layer. */
  void copyPage(int from, int to, int entries) {
    try (Arena arena = Arena.ofConfined()) {
      for (LatentCache layer : layers) {
        Tensor all = layer.entries();
        Tensor source = all.slice("page", (long) from * pageTokens, entries);
        MemorySegment bytes = arena.allocate(source.byteSize());
        backend.read(source, bytes);
        backend.write(all.slice("page", (long) to * pageTokens, entries), bytes);
      }
    }
  }

  /**
   * Gives every entry random numbers of the size that normalised latents have, for measurements
   * that do not read what they look at.
   */
  public void fill() {
    Tensor first = layers.getFirst().entries();
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[Math.toIntExact(Math.min(first.rows(), 4096) * first.cols())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pattern = arena.allocate(first.encoding().byteSize(1, values.length), 64);
      Quantizer.encode(first.encoding(), values, 0, values.length, pattern, 0);
      layers.forEach(layer -> backend.fill(layer.entries(), pattern));
    }
  }

  @Override
  public void close() {
    buffers.forEach(DeviceBuffer::close);
    buffers.clear();
  }
}
