package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A stack over chunks of memory that are never given back before the queue closes. A request goes
 * to the first chunk, from the current one on, that has room; new chunks come last, so growth never
 * changes an address that an order of calls was given before.
 */
final class CpuScratch implements Scratch {
  private static final long CHUNK = 4L << 20;
  private static final long ALIGN = 64;

  private final Arena arena;
  private final List<HostBuffer> chunks = new ArrayList<>();
  private int chunk;
  private long used;
  private long peak;

  CpuScratch(Arena arena) {
    this.arena = arena;
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
      long size = Math.max(bytes, CHUNK);
      chunks.add(
          new HostBuffer(
              "scratch", arena.allocate(size, 4096), Optional.empty(), Optional.empty(), () -> {}));
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
}
