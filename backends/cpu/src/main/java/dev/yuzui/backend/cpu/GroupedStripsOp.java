package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Ops.Gather;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * Each expert's rows times each expert's weight, or two of them, gated. A chunk is a run of strips
 * of one expert; experts that are not active have none.
 */
final class GroupedStripsOp extends Op {
  private final Strips strips;
  private final Packed[] w;
  private final List<Optional<Packed>> up;
  private final PrepareOp.Prepared x;
  private final int used;
  private final long slot;
  private final long out;
  private final long outRow;
  private final StripChunks chunks;
  private final ActiveExperts experts;

  /**
   * @param up as many as {@code w}, or none
   * @param gather as in {@link dev.yuzui.spi.Ops#groupedMatmul}
   */
  GroupedStripsOp(
      StripKernels kernels,
      RowKernels rowKernels,
      List<Packed> w,
      List<Packed> up,
      PrepareOp.Prepared x,
      Gather gather,
      Dispatch dispatch,
      ActiveExperts experts,
      Tensor out,
      int threads) {
    this.w = w.toArray(Packed[]::new);
    this.up =
        up.isEmpty()
            ? w.stream().map(_ -> Optional.<Packed>empty()).toList()
            : up.stream().map(Optional::of).toList();
    this.x = x;
    this.used = gather == Gather.BY_TOKEN ? dispatch.used() : 0;
    this.slot = HostBuffer.address(dispatch.slot());
    this.out = HostBuffer.address(out);
    this.outRow = 4 * out.cols();
    Packed first = this.w[0];
    int matrices = Math.min(this.w.length, dispatch.slots());
    int tokens = dispatch.slots() / dispatch.used();
    this.chunks = new StripChunks(first, first.strips(), matrices, tokens, threads);
    this.strips = Strips.of(kernels, rowKernels, first, tokens);
    this.experts = experts;
  }

  long laneBytes() {
    return strips.laneBytes();
  }

  @Override
  int chunks() {
    return chunks.cut(experts.count());
  }

  @Override
  void run(int chunk, Lane lane) {
    int expert = experts.expert(chunks.matrix(chunk));
    int from = chunks.first(chunk);
    int to = chunks.last(chunk);
    int end = experts.first(expert + 1);
    for (int begin = experts.first(expert); begin < end; begin += Strips.VECTORS) {
      int n = Math.min(Strips.VECTORS, end - begin);
      for (int i = 0; i < n; i++) {
        int place = begin + i;
        int row = used > 0 ? Memory.i32(slot + 4L * place) / used : place;
        Strips.vector(lane, i, x.row(row), out + place * outRow);
      }
      strips.multiply(lane, w[expert], up.get(expert), from, to, n);
    }
  }
}
