package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * A stack over chunks of device memory that are never given back before the queue closes. A request
 * goes to the first chunk, from the current one on, that has room; new chunks come last, so growth
 * never changes an address that an order of calls was given before.
 */
final class CudaScratch implements Scratch, AutoCloseable {
  private static final long CHUNK = 16L << 20;
  private static final long ALIGN = 256;

  private final Cu cu;
  private final List<CudaBuffer> chunks = new ArrayList<>();
  private int chunk;
  private long used;
  private long peak;

  CudaScratch(Cu cu) {
    this.cu = cu;
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
    long bytes = Math.ceilDiv(encoding.byteSize(rows, cols), ALIGN) * ALIGN;
    while (chunk < chunks.size() && used + bytes > chunks.get(chunk).byteSize()) {
      chunk++;
      used = 0;
    }
    if (chunk == chunks.size()) {
      chunks.add(
          new CudaBuffer(cu, Math.max(bytes, CHUNK), "scratch, for " + name + " now", _ -> {}));
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

  /** Address of {@code bytes} of memory in the current frame. */
  long bytes(String name, long bytes) {
    Tensor t = tensor(name, Encoding.I32, 1, Math.ceilDiv(bytes, 4L));
    return CudaBuffer.address(t, cu);
  }

  @Override
  public long peakBytes() {
    return peak;
  }

  @Override
  public void close() {
    chunks.forEach(CudaBuffer::release);
    chunks.clear();
  }
}
