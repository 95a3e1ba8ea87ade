package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Tensor;

/** {@link dev.yuzui.spi.Ops#topK}: a row at a time, its best kept sorted where they are wanted. */
final class TopK {
  private TopK() {}

  static Op of(Tensor logits, Tensor ids, Tensor values) {
    long in = HostBuffer.address(logits);
    long idAt = HostBuffer.address(ids);
    long valueAt = HostBuffer.address(values);
    int cols = Math.toIntExact(logits.cols());
    int k = Math.toIntExact(ids.cols());
    return new RowOp(logits.rows(), 4L * cols) {
      @Override
      void row(int t, Lane lane) {
        pick(in + 4L * t * cols, cols, k, idAt + 4L * t * k, valueAt + 4L * t * k);
      }
    };
  }

  /** Almost every number is below the k-th best so far: of V in random order, k·ln(V/k) are not. */
  private static void pick(long row, int cols, int k, long ids, long values) {
    int held = 0;
    float least = Float.NEGATIVE_INFINITY;
    for (int c = 0; c < cols; c++) {
      float v = Memory.f32(row + 4L * c);
      if (held == k && !(v > least)) {
        continue;
      }
      if (Float.isNaN(v)) {
        v = Float.NEGATIVE_INFINITY;
      }
      int at = held < k ? held++ : k - 1;
      for (; at > 0 && Memory.f32(values + 4L * (at - 1)) < v; at--) {
        Memory.f32(values + 4L * at, Memory.f32(values + 4L * (at - 1)));
        Memory.i32(ids + 4L * at, Memory.i32(ids + 4L * (at - 1)));
      }
      Memory.f32(values + 4L * at, v);
      Memory.i32(ids + 4L * at, c);
      least = Memory.f32(values + 4L * (held - 1));
    }
  }
}
