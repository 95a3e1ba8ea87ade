package dev.yuzui.backend.cpu;

import dev.yuzui.spi.ChunkedScratch;
import java.lang.foreign.Arena;
import java.util.Optional;

/** Memory of the queue's arena, which frees it. */
final class CpuScratch extends ChunkedScratch<HostBuffer> {
  private final Arena arena;

  CpuScratch(Arena arena) {
    super(4L << 20, 64);
    this.arena = arena;
  }

  @Override
  protected HostBuffer allocate(long bytes, String purpose) {
    return new HostBuffer(
        purpose, arena.allocate(bytes, 4096), Optional.empty(), Optional.empty(), () -> {});
  }
}
