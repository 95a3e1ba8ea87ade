package dev.yuzui.backend.cpu;

/** Rows of F32 where they lie, multiplied in C. A result is the same whatever is beside it. */
record PlainProduct(NativeKernels kernels, Matrix w) implements Product {
  /** Rows that many vectors pass over while these are in the nearest cache. */
  private static final int MANY_ROWS = 16;

  @Override
  public int rows() {
    return w.rows();
  }

  @Override
  public long laneBytes() {
    return 2 * 8 * Strips.VECTORS;
  }

  @Override
  public int chunkRows(int rows, int n, int threads) {
    return n > 8 ? MANY_ROWS : Product.smallChunk(rows, w.rowBytes(), 1, threads);
  }

  @Override
  public void multiply(Lane lane, int from, int to, int base, int n) {
    long x = lane.memory();
    for (int first = 0; first < n; first += Strips.VECTORS) {
      int count = Math.min(Strips.VECTORS, n - first);
      for (int i = 0; i < count; i++) {
        Strips.vector(lane, i, lane.in[first + i], lane.out[first + i] + 4L * (from - base));
      }
      kernels.dots(
          w.row(from), w.rowBytes(), to - from, w.cols(), x, count, x + 8 * Strips.VECTORS);
    }
  }
}
