package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Ops.Gather;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Each expert's rows times each expert's weight; with {@code up}, silu(gate)·up in one pass. A
 * chunk is a panel of rows of one expert; experts without rows have none.
 */
final class GroupedOp extends Op {
  private final CpuKernels kernels;
  private final Matrix[] w;
  private final Optional<Matrix[]> up;
  private final long x;
  private final long xRow;
  private final int used;
  private final long slot;
  private final long out;
  private final long outRow;
  private final int slots;
  private final int chunkRows;
  private final int perExpert;
  private final ActiveExperts experts;

  /** {@code gather} as in {@link dev.yuzui.spi.Ops#groupedMatmul}. */
  GroupedOp(
      CpuKernels kernels,
      Tensor x,
      Gather gather,
      ExpertWeights w,
      Optional<ExpertWeights> up,
      Dispatch dispatch,
      Tensor out,
      int threads) {
    this.kernels = kernels;
    this.w = matrices(w);
    this.up = up.map(GroupedOp::matrices);
    this.x = HostBuffer.address(x);
    this.xRow = 4 * x.cols();
    this.used = gather == Gather.BY_TOKEN ? dispatch.used() : 0;
    this.slot = HostBuffer.address(dispatch.slot());
    this.out = HostBuffer.address(out);
    this.outRow = 4 * out.cols();
    this.slots = dispatch.slots();
    Matrix first = this.w[0];
    int busiest = Math.ceilDiv(slots, dispatch.experts());
    this.chunkRows = Product.chunkRows(first, first.rows(), busiest, threads);
    this.perExpert = Math.ceilDiv(first.rows(), chunkRows);
    this.experts = new ActiveExperts(dispatch);
  }

  private static Matrix[] matrices(ExpertWeights w) {
    return w.experts().stream().map(Matrix::of).toArray(Matrix[]::new);
  }

  long laneBytes() {
    return productBytes() + (up.isPresent() ? 4L * chunkRows * slots : 0);
  }

  private long productBytes() {
    return up.map(u -> GatedOp.productBytes(kernels, w[0], u[0]))
        .orElse(Product.laneBytes(kernels, w[0]));
  }

  @Override
  int chunks() {
    return experts.count() * perExpert;
  }

  @Override
  void run(int chunk, Lane lane) {
    int expert = experts.expert(chunk / perExpert);
    int from = chunk % perExpert * chunkRows;
    int to = Math.min(w[expert].rows(), from + chunkRows);
    int begin = experts.first(expert);
    int n = experts.first(expert + 1) - begin;
    for (int i = 0; i < n; i++) {
      int place = begin + i;
      int row = used > 0 ? Memory.i32(slot + 4L * place) / used : place;
      lane.in[i] = x + row * xRow;
      lane.out[i] = out + place * outRow + 4L * from;
    }
    if (up.isPresent()) {
      long other = lane.memory() + productBytes();
      GatedOp.rows(kernels, lane, w[expert], up.get()[expert], from, to, n, other);
    } else {
      Product.rows(kernels, lane, w[expert], from, to, from, n);
    }
  }
}
