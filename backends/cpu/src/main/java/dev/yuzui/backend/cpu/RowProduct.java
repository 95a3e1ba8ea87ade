package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;

/**
 * Rows as a file has them. Few vectors: each row is decoded in registers. Many: rows are decoded
 * once into a panel that stays in the cache while all vectors pass over it.
 */
record RowProduct(CpuKernels kernels, Matrix w) implements Product {
  /** Rows of a panel; a chunk of work is a whole number of panels. */
  private static final int PANEL = 16;

  /** Columns of a panel at most: four rows and four vectors of this length fill half an L1. */
  private static final int PANEL_COLS = 1024;

  /** A line more than the columns, or the rows of a panel would compete for the same cache sets. */
  private static final long PANEL_STRIDE = 4L * PANEL_COLS + 64;

  /** The panel and what the product of panels needs besides. */
  private static final long PANELS = PANEL * PANEL_STRIDE + CpuKernels.TEMPORARY;

  @Override
  public int rows() {
    return w.rows();
  }

  @Override
  public long laneBytes() {
    return PANELS + preparedBytes() + kernels.temporaryBytes(w.cols());
  }

  private long preparedBytes() {
    return Math.ceilDiv(w.cols(), 128) * 64L + 64;
  }

  @Override
  public int chunkRows(int rows, int n, int threads) {
    return n > 8 ? PANEL : Product.smallChunk(rows, w.rowBytes(), PANEL, threads);
  }

  @Override
  public void multiply(Lane lane, int from, int to, int base, int n) {
    if (n <= kernels.few(w.encoding())) {
      direct(lane, from, to, base, n);
    } else {
      panels(lane, from, to, base, n);
    }
  }

  private void direct(Lane lane, int from, int to, int base, int n) {
    long prepared = lane.memory() + PANELS;
    long temporary = prepared + preparedBytes();
    for (int i = 0; i < n; i++) {
      long out = lane.out[i] + 4L * (from - base);
      kernels.prepare(w.encoding(), lane.in[i], w.cols(), prepared);
      kernels.matvec(w, from, to, lane.in[i], prepared, temporary, out);
    }
  }

  private void panels(Lane lane, int from, int to, int base, int n) {
    int parts = Math.ceilDiv(w.cols(), PANEL_COLS);
    int cols = parts == 1 ? w.cols() : Math.ceilDiv(w.cols(), parts * 256) * 256;
    long panel = lane.memory();
    long temporary = panel + PANEL * PANEL_STRIDE;
    long unpacked = lane.memory() + PANELS + preparedBytes();
    boolean plain = w.encoding().equals(Encoding.F32);
    // a single vector meets one row after another, as they lie: only that is fetched ahead
    int most = plain && n == 1 ? 1 : PANEL;
    for (int r = from; r < to; r += most) {
      int rows = Math.min(most, to - r);
      long outOffset = 4L * (r - base);
      for (int k = 0; k < w.cols(); k += cols) {
        int kc = Math.min(cols, w.cols() - k);
        if (plain) {
          kernels.products(
              w.row(r) + 4L * k,
              w.rowBytes(),
              rows,
              lane.in,
              4L * k,
              n,
              kc,
              lane.out,
              outOffset,
              k > 0,
              temporary);
        } else {
          for (int i = 0; i < rows; i++) {
            kernels.decode(w, r + i, k, kc, unpacked, panel + i * PANEL_STRIDE);
          }
          kernels.products(
              panel,
              PANEL_STRIDE,
              rows,
              lane.in,
              4L * k,
              n,
              kc,
              lane.out,
              outOffset,
              k > 0,
              temporary);
        }
      }
    }
  }
}
