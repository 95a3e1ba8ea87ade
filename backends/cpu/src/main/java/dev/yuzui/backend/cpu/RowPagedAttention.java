package dev.yuzui.backend.cpu;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * {@link PagedAttention} by {@link CpuKernels}: entries are decoded in blocks, each once for a
 * block of heads. A part's result is a row a head: the sum of latents, the greatest score, the sum
 * of weights.
 */
final class RowPagedAttention extends PagedAttention {
  private final CpuKernels kernels;

  RowPagedAttention(
      CpuKernels kernels,
      Tensor q,
      KvCache cache,
      AttentionShape shape,
      Optional<Tensor> sinks,
      StepBatch batch,
      Tensor out) {
    super(q, cache, shape, sinks, batch, out, false);
    this.kernels = kernels;
  }

  @Override
  long partLaneBytes() {
    return ENTRIES * entryStride() + 4L * QUERIES * ENTRIES + CpuKernels.TEMPORARY;
  }

  private long entryStride() {
    return 4L * shape.width() + 64;
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
    return 4L * shape.values() + 64;
  }

  /** Of a head's row. */
  private long state(long row) {
    return row + 4L * shape.values();
  }

  @Override
  void ready(Block block, long q, long to) {
    // rows of queries are read as they are
  }

  @Override
  void part(Lane lane, Block block, long ready, int from, int to, long result) {
    int sequence = pages.sequence(block.token());
    int heads = block.heads();
    int first = block.kvHead() * shape.width();
    long tile = lane.memory();
    long values = tile + 4L * shape.valuesAt();
    long scores = tile + ENTRIES * entryStride();
    long temporary = scores + 4L * QUERIES * ENTRIES;
    for (int i = 0; i < heads; i++) {
      long row = result + i * rowBytes();
      lane.in[i] = block.q() + 4L * i * shape.keys();
      lane.out[i] = scores + 4L * i * ENTRIES;
      Memory.f32(state(row), Float.NEGATIVE_INFINITY);
      Memory.f32(state(row) + 4, 0);
      kernels.zero(row, shape.values());
    }
    for (int e = from; e < to; e += ENTRIES) {
      int n = Math.min(ENTRIES, to - e);
      for (int j = 0; j < n; j++) {
        int at = pages.entry(sequence, e + j);
        kernels.decode(cache, at, first, shape.width(), temporary, tile + j * entryStride());
      }
      kernels.products(
          tile, entryStride(), n, lane.in, 0, heads, shape.keys(), lane.out, 0, false, temporary);
      for (int i = 0; i < heads; i++) {
        long row = result + i * rowBytes();
        Softmax.block(kernels, lane.out[i], n, shape.scale(), state(row), row, shape.values());
      }
      kernels.weightedSum(
          scores,
          4L * ENTRIES,
          heads,
          values,
          entryStride(),
          n,
          shape.values(),
          result,
          rowBytes());
    }
  }

  @Override
  void sink(Block block, long sinks, long result) {
    for (int i = 0; i < block.heads(); i++) {
      long row = result + i * rowBytes();
      kernels.zero(row, shape.values());
      Memory.f32(state(row), Memory.f32(sinks + 4L * i));
      Memory.f32(state(row) + 4, 1);
    }
  }

  @Override
  void merge(Block block, long parts, int count, long out) {
    for (int i = 0; i < block.heads(); i++) {
      mergeHead(parts + i * rowBytes(), count, out + 4L * i * shape.values());
    }
  }

  private void mergeHead(long first, int count, long out) {
    kernels.zero(out, shape.values());
    float max = Float.NEGATIVE_INFINITY;
    for (int p = 0; p < count; p++) {
      max = Math.max(max, Memory.f32(state(first + p * partBytes())));
    }
    float sum = 0;
    for (int p = 0; p < count; p++) {
      long row = first + p * partBytes();
      float by = (float) Math.exp(Memory.f32(state(row)) - max);
      sum += by * Memory.f32(state(row) + 4);
      kernels.addScaled(row, by, out, shape.values());
    }
    kernels.scale(out, sum == 0 ? 0 : 1 / sum, shape.values());
  }
}
