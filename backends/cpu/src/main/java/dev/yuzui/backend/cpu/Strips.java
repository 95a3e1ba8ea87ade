package dev.yuzui.backend.cpu;

import java.util.Optional;

/**
 * A run of strips times vectors, {@value #VECTORS} at a time: their prepared rows and the strips
 * stay in a core's own cache. With a second weight the result is silu(w·x)·(up·x).
 *
 * <p>Lane memory: addresses of vectors, of results, and of the second weight's; its results; what
 * the kernels want.
 *
 * @param vectors at a time
 * @param span strips of the first weight before those of the second
 */
record Strips(StripKernels kernels, RowKernels rowKernels, int vectors, int span) {
  static final int VECTORS = 64;

  /** Weight bytes of a span: long enough for memory, short enough for its results' cache. */
  private static final long SPAN_BYTES = 1 << 20;

  /**
   * @param vectors that a matrix meets at most
   */
  static Strips of(StripKernels kernels, RowKernels rowKernels, Packed w, int vectors) {
    int span = Math.clamp(SPAN_BYTES / w.stripBytes(), 1, w.strips());
    return new Strips(kernels, rowKernels, Math.min(VECTORS, vectors), span);
  }

  long laneBytes() {
    return own() + kernels.temporaryBytes();
  }

  private long own() {
    return 3 * 8 * VECTORS + 4L * vectors * Packed.ROWS * span;
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
    w.beforeUse().run();
    if (up.isEmpty()) {
      product(lane, w, first, last, n, lane.memory() + 8 * VECTORS);
      return;
    }
    up.get().beforeUse().run();
    for (int from = first; from < last; from += span) {
      gated(lane, w, up.get(), from, Math.min(last, from + span), n);
    }
  }

  private void product(Lane lane, Packed w, int first, int last, int n, long out) {
    kernels.product(w, first, last, lane.memory(), n, out, lane, lane.memory() + own());
  }

  private void gated(Lane lane, Packed w, Packed up, int first, int last, int n) {
    long out = lane.memory() + 8 * VECTORS;
    long other = out + 8 * VECTORS;
    long results = other + 8 * VECTORS;
    product(lane, w, first, last, n, out);
    long stride = 4L * Packed.ROWS * (last - first);
    long offset = 4L * Packed.ROWS * first;
    for (int i = 0; i < n; i++) {
      Memory.i64(other + 8L * i, results + i * stride - offset);
    }
    product(lane, up, first, last, n, other);
    int count = Math.min(w.rows(), Packed.ROWS * last) - Packed.ROWS * first;
    for (int i = 0; i < n; i++) {
      long gate = Memory.i64(out + 8L * i) + offset;
      rowKernels.siluMul(gate, results + i * stride, gate, count);
    }
  }
}
