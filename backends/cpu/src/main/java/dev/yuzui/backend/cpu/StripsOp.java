package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Products of prepared rows with one weight, for all heads at once or each head with its own rows;
 * or with two, gated. A chunk is a run of strips of a head.
 */
final class StripsOp extends Op {
  private final Strips strips;
  private final Packed w;
  private final Optional<Packed> up;
  private final PrepareOp.Prepared x;
  private final int tokens;
  private final int heads;
  private final long out;
  private final long outRow;
  private final long outHead;
  private final int headStrips;
  private final StripChunks chunks;
  private final int count;

  StripsOp(
      StripKernels kernels,
      RowKernels rowKernels,
      Packed w,
      Optional<Packed> up,
      PrepareOp.Prepared x,
      int heads,
      Tensor out,
      int outOffset,
      int threads) {
    this.w = w;
    this.up = up;
    this.x = x;
    this.tokens = Math.toIntExact(out.rows());
    this.heads = heads;
    this.out = HostBuffer.address(out) + 4L * outOffset;
    this.outRow = 4 * out.cols();
    this.outHead = outRow / heads;
    this.headStrips = w.strips() / heads;
    this.chunks = new StripChunks(w, headStrips, heads, tokens, threads);
    this.count = chunks.cut(heads);
    this.strips = Strips.of(kernels, rowKernels, w, tokens);
  }

  /** Whether a head is a whole number of strips. */
  static boolean takes(Packed w, int heads) {
    return heads == 1 || w.rows() % (heads * Packed.ROWS) == 0;
  }

  long laneBytes() {
    return strips.laneBytes();
  }

  @Override
  int chunks() {
    return count;
  }

  @Override
  void run(int chunk, Lane lane) {
    int head = chunks.matrix(chunk);
    int base = head * headStrips;
    int first = base + chunks.first(chunk);
    int last = base + chunks.last(chunk);
    long to = out + head * outHead - 4L * Packed.ROWS * base;
    for (int t = 0; t < tokens; t += Strips.VECTORS) {
      int n = Math.min(Strips.VECTORS, tokens - t);
      for (int i = 0; i < n; i++) {
        Strips.vector(lane, i, x.row((t + i) * heads + head), to + (t + i) * outRow);
      }
      strips.multiply(lane, w, up, first, last, n);
    }
  }
}
