package dev.yuzui.backend.cpu;

import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;

/**
 * {@link AbsorbedAttention} by {@link CpuKernels}: entries are decoded in blocks, each once for a
 * block of heads. A part's result is a row a head: the sum of latents, the greatest score, the sum
 * of weights.
 */
final class RowAbsorbed extends AbsorbedAttention {
  private final CpuKernels kernels;

  RowAbsorbed(
      CpuKernels kernels,
      Tensor q,
      LatentCache cache,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    super(q, cache, shape, batch, out, false);
    this.kernels = kernels;
  }

  @Override
  long partLaneBytes() {
    return ENTRIES * entryStride() + 4L * QUERIES * ENTRIES + CpuKernels.TEMPORARY;
  }

  private long entryStride() {
    return 4L * shape.entry() + 64;
  }

  @Override
  long readyBytes() {
    return 0;
  }

  @Override
  long partBytes() {
    return QUERIES * rowBytes();
  }

  private long rowBytes() {
    return 4L * shape.kvLora() + 64;
  }

  /** Of a head's row. */
  private long state(long row) {
    return row + 4L * shape.kvLora();
  }

  @Override
  void ready(Block block, long to) {
    // rows of queries are read as they are
  }

  @Override
  void part(Lane lane, Block block, long ready, int from, int to, long result) {
    int sequence = pages.sequence(block.token());
    int heads = block.heads();
    long tile = lane.memory();
    long scores = tile + ENTRIES * entryStride();
    long temporary = scores + 4L * QUERIES * ENTRIES;
    for (int i = 0; i < heads; i++) {
      long row = result + i * rowBytes();
      lane.in[i] = block.q() + 4L * i * shape.entry();
      lane.out[i] = scores + 4L * i * ENTRIES;
      Memory.f32(state(row), Float.NEGATIVE_INFINITY);
      Memory.f32(state(row) + 4, 0);
      kernels.zero(row, shape.kvLora());
    }
    for (int e = from; e < to; e += ENTRIES) {
      int n = Math.min(ENTRIES, to - e);
      for (int j = 0; j < n; j++) {
        int at = pages.entry(sequence, e + j);
        kernels.decode(cache, at, 0, shape.entry(), temporary, tile + j * entryStride());
      }
      kernels.products(
          tile, entryStride(), n, lane.in, 0, heads, shape.entry(), lane.out, 0, false, temporary);
      for (int i = 0; i < heads; i++) {
        long row = result + i * rowBytes();
        Softmax.block(kernels, lane.out[i], n, shape.scale(), state(row), row, shape.kvLora());
      }
      kernels.weightedSum(
          scores, 4L * ENTRIES, heads, tile, entryStride(), n, shape.kvLora(), result, rowBytes());
    }
  }

  @Override
  void merge(Block block, long parts, int count) {
    for (int i = 0; i < block.heads(); i++) {
      mergeHead(parts + i * rowBytes(), count, block.out() + 4L * i * shape.kvLora());
    }
  }

  private void mergeHead(long first, int count, long out) {
    kernels.zero(out, shape.kvLora());
    float max = Float.NEGATIVE_INFINITY;
    for (int p = 0; p < count; p++) {
      max = Math.max(max, Memory.f32(state(first + p * partBytes())));
    }
    float sum = 0;
    for (int p = 0; p < count; p++) {
      long row = first + p * partBytes();
      float by = (float) Math.exp(Memory.f32(state(row)) - max);
      sum += by * Memory.f32(state(row) + 4);
      kernels.addScaled(row, by, out, shape.kvLora());
    }
    kernels.scale(out, sum == 0 ? 0 : 1 / sum, shape.kvLora());
  }
}
