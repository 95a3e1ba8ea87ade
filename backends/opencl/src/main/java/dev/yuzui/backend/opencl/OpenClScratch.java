package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * A stack over chunks of device memory that are never given back before the queue closes. A request
 * goes to the first chunk, from the current one on, that has room; new chunks come last, so growth
 * never changes a place that an order of calls was given before.
 */
final class OpenClScratch implements Scratch, AutoCloseable {
  private static final long CHUNK = 16L << 20;

  private final Cl cl;
  private final List<OpenClBuffer> chunks = new ArrayList<>();
  private int chunk;
  private long used;
  private long peak;

  OpenClScratch(Cl cl) {
    this.cl = cl;
  }

  @Override
  public Frame frame() {
    int chunkThen = chunk;
    long usedThen = used;
    return () -> {
      chunk = chunkThen;
      used = usedThen;
    };
  }

  @Override
  public Tensor tensor(String name, Encoding encoding, long rows, long cols) {
    long bytes = Layout.aligned(encoding.byteSize(rows, cols));
    while (chunk < chunks.size() && used + bytes > chunks.get(chunk).byteSize()) {
      chunk++;
      used = 0;
    }
    if (chunk == chunks.size()) {
      chunks.add(
          new OpenClBuffer(cl, Math.max(bytes, CHUNK), "scratch, for " + name + " now", _ -> {}));
    }
    Tensor t = new Tensor(name, chunks.get(chunk), used, encoding, rows, cols);
    used += bytes;
    long below = 0;
    for (int i = 0; i < chunk; i++) {
      below += chunks.get(i).byteSize();
    }
    peak = Math.max(peak, below + used);
    return t;
  }

  @Override
  public long peakBytes() {
    return peak;
  }

  @Override
  public void close() {
    chunks.forEach(OpenClBuffer::release);
    chunks.clear();
  }
}
