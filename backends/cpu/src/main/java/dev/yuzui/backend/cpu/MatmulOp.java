package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Tensor;

/** Products with one weight, for all heads at once or each head with its own rows. */
final class MatmulOp extends Op {
  private final Product w;
  private final long x;
  private final long xRow;
  private final long xHead;
  private final long out;
  private final long outRow;
  private final long outHead;
  private final int tokens;
  private final int heads;
  private final int rows;
  private final int chunkRows;
  private final int perHead;

  MatmulOp(Tensor x, int xOffset, Product w, int heads, Tensor out, int outOffset, int threads) {
    this.w = w;
    this.x = HostBuffer.address(x) + 4L * xOffset;
    this.xRow = 4 * x.cols();
    this.xHead = xRow / heads;
    this.out = HostBuffer.address(out) + 4L * outOffset;
    this.outRow = 4 * out.cols();
    this.outHead = outRow / heads;
    this.tokens = Math.toIntExact(x.rows());
    this.heads = heads;
    this.rows = w.rows() / heads;
    this.chunkRows = w.chunkRows(rows, tokens, threads);
    this.perHead = Math.ceilDiv(rows, chunkRows);
  }

  @Override
  int chunks() {
    return heads * perHead;
  }

  @Override
  void run(int chunk, Lane lane) {
    int head = chunk / perHead;
    int base = head * rows;
    int from = base + chunk % perHead * chunkRows;
    for (int t = 0; t < tokens; t++) {
      lane.in[t] = x + t * xRow + head * xHead;
      lane.out[t] = out + t * outRow + head * outHead;
    }
    w.multiply(lane, from, Math.min(base + rows, from + chunkRows), base, tokens);
  }
}
