package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Ops.Gather;
import dev.yuzui.spi.Tensor;
import java.util.List;

/**
 * Each active expert's rows times its weight; with {@code up}, silu(gate)·up in one pass. A chunk
 * is a panel of rows of one expert; experts that are not active have none.
 */
final class GroupedOp extends Op {
  private final RowKernels kernels;
  private final Product[] w;
  private final Product[] up;
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

  /**
   * @param gather as in {@link dev.yuzui.spi.Ops#groupedMatmul}
   * @param up as many as {@code w}, or none
   */
  GroupedOp(
      RowKernels kernels,
      Tensor x,
      Gather gather,
      List<Product> w,
      List<Product> up,
      Dispatch dispatch,
      ActiveExperts experts,
      Tensor out,
      int threads) {
    this.kernels = kernels;
    this.w = w.toArray(Product[]::new);
    this.up = up.toArray(Product[]::new);
    this.x = HostBuffer.address(x);
    this.xRow = 4 * x.cols();
    this.used = gather == Gather.BY_TOKEN ? dispatch.used() : 0;
    this.slot = HostBuffer.address(dispatch.slot());
    this.out = HostBuffer.address(out);
    this.outRow = 4 * out.cols();
    this.slots = dispatch.slots();
    Product first = this.w[0];
    int busiest = Math.ceilDiv(slots, dispatch.experts());
    this.chunkRows = first.chunkRows(first.rows(), busiest, threads);
    this.perExpert = Math.ceilDiv(first.rows(), chunkRows);
    this.experts = experts;
  }

  long laneBytes() {
    return productBytes() + (up.length > 0 ? 4L * chunkRows * slots : 0);
  }

  private long productBytes() {
    return up.length > 0 ? GatedOp.productBytes(w[0], up[0]) : w[0].laneBytes();
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
    if (up.length > 0) {
      long other = lane.memory() + productBytes();
      GatedOp.rows(kernels, lane, w[expert], up[expert], from, to, n, other);
    } else {
      w[expert].multiply(lane, from, to, from, n);
    }
  }
}
