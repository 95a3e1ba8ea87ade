package dev.yuzui.backend.reference;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * A stack over chunks that are added at need and never move. A tensor goes to the first chunk, from
 * the current one on, that has room; since chunks are only ever added at the end, the same order of
 * calls finds the same places for ever.
 */
final class ReferenceScratch implements Scratch, AutoCloseable {
  private static final long CHUNK_BYTES = 1 << 20;
  private static final long ALIGNMENT = 64;

  private final List<ReferenceBuffer> chunks = new ArrayList<>();
  private int chunk;
  private long used;
  private long stacked;
  private long peak;

  @Override
  public Frame frame() {
    int chunkBefore = chunk;
    long usedBefore = used;
    long stackedBefore = stacked;
    return () -> {
      chunk = chunkBefore;
      used = usedBefore;
      stacked = stackedBefore;
    };
  }

  @Override
  public Tensor tensor(String name, Encoding encoding, long rows, long cols) {
    if (!encoding.equals(Encoding.F32) && !encoding.equals(Encoding.I32)) {
      throw new IllegalArgumentException("scratch holds F32 and I32, not " + encoding.label());
    }
    long bytes = Math.ceilDiv(encoding.byteSize(rows, cols), ALIGNMENT) * ALIGNMENT;
    while (chunk < chunks.size() && used + bytes > chunks.get(chunk).byteSize()) {
      chunk++;
      used = 0;
    }
    if (chunk == chunks.size()) {
      chunks.add(ReferenceBuffer.allocate("scratch", Math.max(CHUNK_BYTES, bytes), _ -> {}));
    }
    Tensor tensor = new Tensor(name, chunks.get(chunk), used, encoding, rows, cols);
    used += bytes;
    stacked += bytes;
    peak = Math.max(peak, stacked);
    return tensor;
  }

  @Override
  public long peakBytes() {
    return peak;
  }

  @Override
  public void close() {
    chunks.forEach(ReferenceBuffer::close);
  }
}
