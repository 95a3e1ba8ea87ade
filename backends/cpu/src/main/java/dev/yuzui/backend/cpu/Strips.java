package dev.yuzui.backend.cpu;

import java.util.Optional;

/**
 * A run of strips times vectors, {@value #VECTORS} at a time: their prepared rows and the strips
 * stay in a core's own cache. With a second weight the result is silu(w·x)·(up·x).
 *
 * <p>Lane memory: addresses of vectors, of results, and of the second weight's; its results; what
 * the kernels want.
 */
record Strips(StripKernels kernels, RowKernels rowKernels, int chunkStrips) {
  static final int VECTORS = 64;

  /** Weight bytes of a chunk at least: work enough to be worth taking. */
  private static final long LEAST_BYTES = 16 << 10;

  /**
   * At most, where weights pass once: each chunk begins with a wait for memory (chunks of 64 KiB
   * cost a V2-Lite token a sixth more time).
   */
  private static final long MOST_BYTES = 1 << 20;

  /** At most, where they pass several times: a part of a core's own cache. */
  private static final long CACHED_BYTES = 256 << 10;

  /** Strips that the kernels take together, at most. */
  private static final int TOGETHER = 4;

  /** Chunks a thread, so that the last ones to end do not hold up the others for long. */
  private static final int CHUNKS = 4;

  /**
   * @param matrices how many of the size of {@code w} an op multiplies at a time
   * @param vectors that a matrix meets at most
   */
  static int chunkStrips(Packed w, int strips, int matrices, int vectors, int threads) {
    long share = w.stripBytes() * strips * matrices / (CHUNKS * (long) threads);
    long bytes = Math.clamp(share, LEAST_BYTES, vectors <= VECTORS ? MOST_BYTES : CACHED_BYTES);
    long fitting = Math.clamp(bytes / w.stripBytes(), 1, strips);
    return (int) Math.min(Math.ceilDiv(fitting, TOGETHER) * TOGETHER, strips);
  }

  long laneBytes() {
    return own() + kernels.temporaryBytes();
  }

  private long own() {
    return 3 * 8 * VECTORS + 4L * VECTORS * Packed.ROWS * chunkStrips;
  }

  static void vector(Lane lane, int i, long prepared, long out) {
    Memory.i64(lane.memory() + 8L * i, prepared);
    Memory.i64(lane.memory() + 8L * (VECTORS + i), out);
  }

  /**
   * Row 16·s + r of the product with the i-th {@link #vector} goes to out + 4·(16·s + r), for first
   * ≤ s < last.
   */
  void multiply(Lane lane, Packed w, Optional<Packed> up, int first, int last, int n) {
    long x = lane.memory();
    long out = x + 8 * VECTORS;
    kernels.product(w, first, last, x, n, out, lane, lane.memory() + own());
    if (up.isEmpty()) {
      return;
    }
    long other = out + 8 * VECTORS;
    long results = other + 8 * VECTORS;
    long stride = 4L * Packed.ROWS * (last - first);
    long offset = 4L * Packed.ROWS * first;
    for (int i = 0; i < n; i++) {
      Memory.i64(other + 8L * i, results + i * stride - offset);
    }
    kernels.product(up.get(), first, last, x, n, other, lane, lane.memory() + own());
    int count = Math.min(w.rows(), Packed.ROWS * last) - Packed.ROWS * first;
    for (int i = 0; i < n; i++) {
      long gate = Memory.i64(out + 8L * i) + offset;
      rowKernels.siluMul(gate, results + i * stride, gate, count);
    }
  }
}
