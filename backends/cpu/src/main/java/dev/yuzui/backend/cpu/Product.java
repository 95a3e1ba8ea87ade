package dev.yuzui.backend.cpu;

/** A weight and how it is multiplied by the vectors at {@link Lane#in}, which are F32. */
interface Product {
  int rows();

  /** Bytes of lane memory that {@link #multiply} uses, from its start. */
  long laneBytes();

  /** Rows of a chunk when {@code n} vectors meet {@code rows} rows, of a head or of all. */
  int chunkRows(int rows, int n, int threads);

  /**
   * Rows of a chunk, a multiple of {@code unit}, when a few vectors meet rows of F32 or of a file:
   * 16 to 64 KiB of weights, some microseconds of work, and four chunks a thread if that is enough.
   */
  static int smallChunk(int rows, long rowBytes, int unit, int threads) {
    long bytes = Math.clamp(rows * rowBytes / (4L * threads), 16 << 10, 64 << 10);
    int units = Math.ceilDiv(rows, unit);
    return unit * Math.clamp(bytes / Math.max(1, unit * rowBytes), 1, Math.max(1, units));
  }

  /**
   * lane.out[i][r − base] = w[r]·lane.in[i] for from ≤ r < to, i < n. A chunk or a head begins at
   * {@code from}.
   */
  void multiply(Lane lane, int from, int to, int base, int n);
}
