package dev.yuzui.backend.cpu;

/** An op that treats rows alike and apart. */
abstract class RowsOp extends Op {
  /** Bytes that a chunk should touch: some microseconds of work. */
  private static final long CHUNK_BYTES = 64 << 10;

  private final int rows;
  private final int rowsPerChunk;

  RowsOp(long rows, long rowBytes) {
    this.rows = Math.toIntExact(rows);
    this.rowsPerChunk = (int) Math.max(1, CHUNK_BYTES / Math.max(1, rowBytes));
  }

  /** Rows first ≤ t < last. */
  abstract void rows(int first, int last, Lane lane);

  @Override
  int chunks() {
    return Math.ceilDiv(rows, rowsPerChunk);
  }

  @Override
  void run(int chunk, Lane lane) {
    int first = chunk * rowsPerChunk;
    rows(first, Math.min(rows, first + rowsPerChunk), lane);
  }
}
