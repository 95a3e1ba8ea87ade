package dev.yuzui.backend.cpu;

import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;

/** {@link IndexScores} of keys that are decoded one by one. */
final class RowIndexScores extends IndexScores {
  /** Keys that are decoded at a time. */
  private static final int KEYS = 32;

  private final CpuKernels kernels;

  RowIndexScores(
      CpuKernels kernels,
      Tensor q,
      Tensor weights,
      KvCache keys,
      IndexShape shape,
      StepBatch batch) {
    super(q, weights, keys, shape, batch);
    this.kernels = kernels;
  }

  private long queryBytes() {
    return 4L * shape.heads() * shape.head();
  }

  private long keyStride() {
    return 4L * shape.head() + 64;
  }

  @Override
  long readyBytes() {
    return queryBytes() + 4L * shape.heads();
  }

  @Override
  long laneBytes() {
    long tile = KEYS * keyStride() + 4L * KEYS * shape.heads() + CpuKernels.TEMPORARY;
    return Math.max(spreadBytes(), tile);
  }

  @Override
  int laneRows() {
    return shape.heads();
  }

  @Override
  void ready(long given, long weights, long to) {
    Memory.copy(given, to, queryBytes());
    Memory.copy(weights, to + queryBytes(), 4L * shape.heads());
  }

  @Override
  void score(int t, long ready, int from, int to, long scores, Lane lane) {
    int sequence = pages.sequence(t);
    long tile = lane.memory();
    long products = tile + KEYS * keyStride();
    long temporary = products + 4L * KEYS * shape.heads();
    for (int h = 0; h < shape.heads(); h++) {
      lane.in[h] = ready + 4L * h * shape.head();
      lane.out[h] = products + 4L * h * KEYS;
    }
    for (int first = from; first < to; first += KEYS) {
      int n = Math.min(KEYS, to - first);
      for (int i = 0; i < n; i++) {
        int entry = pages.entry(sequence, first + i);
        kernels.decode(keys, entry, 0, shape.head(), temporary, tile + i * keyStride());
      }
      kernels.products(
          tile,
          keyStride(),
          n,
          lane.in,
          0,
          shape.heads(),
          shape.head(),
          lane.out,
          0,
          false,
          temporary);
      for (int i = 0; i < n; i++) {
        Memory.f32(scores + 4L * (first + i), weighted(ready + queryBytes(), products + 4L * i));
      }
    }
  }

  /** Σh weight[h]·relu(product[h]) */
  private float weighted(long by, long product) {
    float sum = 0;
    for (int h = 0; h < shape.heads(); h++) {
      float dot = Memory.f32(product + 4L * h * KEYS);
      sum += Memory.f32(by + 4L * h) * (dot > 0 || Float.isNaN(dot) ? dot : 0);
    }
    return sum * shape.scale();
  }
}
