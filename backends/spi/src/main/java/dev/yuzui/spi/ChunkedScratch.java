package dev.yuzui.spi;

import java.util.ArrayList;
import java.util.List;

/**
 * A stack over chunks of a device's memory that are never given back before the queue closes. A
 * request goes to the first chunk, from the current one on, that has room; new chunks come last, so
 * growth never changes a place that an order of calls was given before.
 */
public abstract class ChunkedScratch<B extends DeviceBuffer> implements Scratch {
  private final long chunkBytes;
  private final long align;
  private final List<B> chunks = new ArrayList<>();
  private int chunk;
  private long used;

  /**
   * @param chunkBytes of a chunk at least
   * @param align where tensors begin in a chunk: multiples of so many bytes
   */
  protected ChunkedScratch(long chunkBytes, long align) {
    this.chunkBytes = chunkBytes;
    this.align = align;
  }

  /** A new chunk. */
  protected abstract B allocate(long bytes, String purpose);

  /** All that was allocated. */
  protected final List<B> chunks() {
    return chunks;
  }

  @Override
  public final Frame frame() {
    int chunkThen = chunk;
    long usedThen = used;
    return () -> {
      chunk = chunkThen;
      used = usedThen;
    };
  }

  @Override
  public final Tensor tensor(String name, Encoding encoding, long rows, long cols) {
    if (!encoding.equals(Encoding.F32) && !encoding.equals(Encoding.I32)) {
      throw new IllegalArgumentException("scratch holds F32 and I32, not " + encoding.label());
    }
    long bytes = Math.ceilDiv(encoding.byteSize(rows, cols), align) * align;
    while (chunk < chunks.size() && used + bytes > chunks.get(chunk).byteSize()) {
      chunk++;
      used = 0;
    }
    if (chunk == chunks.size()) {
      chunks.add(allocate(Math.max(bytes, chunkBytes), "scratch, for " + name + " now"));
    }
    Tensor t = new Tensor(name, chunks.get(chunk), used, encoding, rows, cols);
    used += bytes;
    return t;
  }
}
