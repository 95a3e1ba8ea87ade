package dev.yuzui.backend.cpu;

/**
 * Rows in strips, for many vectors: a panel is decoded once and stays in a core's own cache while
 * they pass over it.
 */
record PanelProduct(VectorPanels panels, Packed w) implements Product {
  /** Vectors at a time: so much of them, and their results, stay in the cache as well. */
  private static final int VECTORS = 512;

  private static final long RESULTS = 4L * VectorPanels.ROWS * VECTORS;

  @Override
  public int rows() {
    return w.rows();
  }

  @Override
  public long laneBytes() {
    return RESULTS + VectorPanels.BYTES;
  }

  @Override
  public int chunkRows(int rows, int n, int threads) {
    return VectorPanels.ROWS;
  }

  @Override
  public void multiply(Lane lane, int from, int to, int base, int n) {
    w.beforeUse().run();
    long results = lane.memory();
    long panel = results + RESULTS;
    for (int r = from; r < to; r += VectorPanels.ROWS) {
      int rows = Math.min(VectorPanels.ROWS, to - r);
      for (int first = 0; first < n; first += VECTORS) {
        int last = Math.min(n, first + VECTORS);
        panels.multiply(w, r, rows, lane.in, first, last, panel, results);
        for (int i = first; i < last; i++) {
          long result = results + 4L * VectorPanels.ROWS * (i - first);
          Memory.copy(result, lane.out[i] + 4L * (r - base), 4L * rows);
        }
      }
    }
  }
}
