package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Tensor;

/** out = silu(x·gateᵀ)·(x·upᵀ), a chunk of rows of both weights at a time. */
final class GatedOp extends Op {
  private final RowKernels kernels;
  private final Product gate;
  private final Product up;
  private final long x;
  private final long xRow;
  private final long out;
  private final long outRow;
  private final int tokens;
  private final int chunkRows;

  GatedOp(RowKernels kernels, Tensor x, Product gate, Product up, Tensor out, int threads) {
    this.kernels = kernels;
    this.gate = gate;
    this.up = up;
    this.x = HostBuffer.address(x);
    this.xRow = 4 * x.cols();
    this.out = HostBuffer.address(out);
    this.outRow = 4 * out.cols();
    this.tokens = Math.toIntExact(x.rows());
    this.chunkRows = gate.chunkRows(gate.rows(), tokens, threads);
  }

  /** Lane memory: what a product uses, then the rows of {@code up}. */
  long laneBytes() {
    return productBytes(gate, up) + 4L * chunkRows * tokens;
  }

  static long productBytes(Product gate, Product up) {
    return Math.max(gate.laneBytes(), up.laneBytes());
  }

  @Override
  int chunks() {
    return Math.ceilDiv(gate.rows(), chunkRows);
  }

  @Override
  void run(int chunk, Lane lane) {
    int from = chunk * chunkRows;
    int to = Math.min(gate.rows(), from + chunkRows);
    for (int t = 0; t < tokens; t++) {
      lane.in[t] = x + t * xRow;
      lane.out[t] = out + t * outRow + 4L * from;
    }
    long other = lane.memory() + productBytes(gate, up);
    rows(kernels, lane, gate, up, from, to, tokens, other);
  }

  /** lane.out[i][r − from] = silu(gate[r]·lane.in[i])·(up[r]·lane.in[i]). */
  static void rows(
      RowKernels kernels,
      Lane lane,
      Product gate,
      Product up,
      int from,
      int to,
      int n,
      long other) {
    gate.multiply(lane, from, to, from, n);
    long stride = 4L * (to - from);
    for (int i = 0; i < n; i++) {
      long g = lane.out[i];
      lane.out[i] = other + i * stride;
      lane.kept[i] = g;
    }
    up.multiply(lane, from, to, from, n);
    for (int i = 0; i < n; i++) {
      kernels.siluMul(lane.kept[i], lane.out[i], lane.kept[i], to - from);
    }
  }
}
