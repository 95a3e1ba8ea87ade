package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** {@link dev.yuzui.spi.Ops#topK}: a row at a time, its best kept sorted where they are wanted. */
final class TopK {
  private TopK() {}

  static Op of(Optional<NativeKernels> kernels, Tensor logits, Tensor ids, Tensor values) {
    long in = HostBuffer.address(logits);
    long idAt = HostBuffer.address(ids);
    long valueAt = HostBuffer.address(values);
    int cols = Math.toIntExact(logits.cols());
    int k = Math.toIntExact(ids.cols());
    return new RowOp(logits.rows(), 4L * cols) {
      @Override
      void row(int t, Lane lane) {
        pick(kernels, in + 4L * t * cols, cols, k, idAt + 4L * t * k, valueAt + 4L * t * k);
      }
    };
  }

  /** Almost every number is below the k-th best so far: of V in random order, k·ln(V/k) are not. */
  private static void pick(
      Optional<NativeKernels> kernels, long row, int cols, int k, long ids, long values) {
    for (int c = 0; c < k; c++) {
      float v = Memory.f32(row + 4L * c);
      insert(Float.isNaN(v) ? Float.NEGATIVE_INFINITY : v, c, c, ids, values);
    }
    long last = values + 4L * (k - 1);
    int c = k;
    while ((c = firstAbove(kernels, row, c, cols, Memory.f32(last))) < cols) {
      insert(Memory.f32(row + 4L * c), c++, k - 1, ids, values);
    }
  }

  private static int firstAbove(
      Optional<NativeKernels> kernels, long row, int from, int cols, float least) {
    if (kernels.isPresent()) {
      return kernels.get().firstAbove(row, from, cols, least);
    }
    int c = from;
    while (c < cols && !(Memory.f32(row + 4L * c) > least)) {
      c++;
    }
    return c;
  }

  /** Puts a number among the {@code held} that are there, behind those as large. */
  private static void insert(float v, int column, int held, long ids, long values) {
    int at = held;
    for (; at > 0 && Memory.f32(values + 4L * (at - 1)) < v; at--) {
      Memory.f32(values + 4L * at, Memory.f32(values + 4L * (at - 1)));
      Memory.i32(ids + 4L * at, Memory.i32(ids + 4L * (at - 1)));
    }
    Memory.f32(values + 4L * at, v);
    Memory.i32(ids + 4L * at, column);
  }
}
