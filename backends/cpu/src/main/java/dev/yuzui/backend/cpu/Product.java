package dev.yuzui.backend.cpu;

/** A weight and how it is multiplied by the vectors at {@link Lane#in}, which are F32. */
interface Product {
  int rows();

  /** Bytes of lane memory that {@link #multiply} uses, from its start. */
  long laneBytes();

  /** Rows of a chunk when {@code n} vectors meet {@code rows} rows, of a head or of all. */
  int chunkRows(int rows, int n, int threads);

  /**
   * lane.out[i][r − base] = w[r]·lane.in[i] for from ≤ r < to, i < n. A chunk or a head begins at
   * {@code from}.
   */
  void multiply(Lane lane, int from, int to, int base, int n);
}
