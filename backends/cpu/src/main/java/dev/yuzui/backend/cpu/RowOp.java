package dev.yuzui.backend.cpu;

/** {@link RowsOp} one by one. */
abstract class RowOp extends RowsOp {
  RowOp(long rows, long rowBytes) {
    super(rows, rowBytes);
  }

  abstract void row(int t, Lane lane);

  @Override
  final void rows(int first, int last, Lane lane) {
    for (int t = first; t < last; t++) {
      row(t, lane);
    }
  }
}
