package dev.yuzui.backend.cpu;

/** An op that treats rows alike and apart. */
abstract class RowOp extends Op {
  /** Bytes that a chunk should touch: some microseconds of work. */
  private static final long CHUNK_BYTES = 64 << 10;

  private final int rows;
  private final int rowsPerChunk;

  RowOp(long rows, long rowBytes) {
    this.rows = Math.toIntExact(rows);
    this.rowsPerChunk = (int) Math.max(1, CHUNK_BYTES / Math.max(1, rowBytes));
  }

  abstract void row(int t, Lane lane);

  @Override
  int chunks() {
    return Math.ceilDiv(rows, rowsPerChunk);
  }

  @Override
  void run(int chunk, Lane lane) {
    int end = Math.min(rows, (chunk + 1) * rowsPerChunk);
    for (int t = chunk * rowsPerChunk; t < end; t++) {
      row(t, lane);
    }
  }
}
