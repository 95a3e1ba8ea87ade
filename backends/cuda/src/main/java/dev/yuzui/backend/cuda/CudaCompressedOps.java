package dev.yuzui.backend.cuda;

import dev.yuzui.spi.CompressedOps;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** DeepSeek-V4's: launches of streams.cu and compressed.cu, and of attention.cu with sinks. */
final class CudaCompressedOps implements CompressedOps {
  /** Threads of a block: of a row of all streams, of a ring, block or head, of elements. */
  private static final int STREAMS = 512;

  private static final int ROW = 128;
  private static final int ELEMENTS = 256;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final Launch launch;
  private final Attention attention;

  CudaCompressedOps(CudaBackend backend, CudaQueue queue, Launch launch, Attention attention) {
    this.backend = backend;
    this.queue = queue;
    this.launch = launch;
    this.attention = attention;
  }

  private Launch begin(String kernel, int threads) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel)).block(threads);
  }

  private static String of(String kernel, Tensor rows) {
    return kernel + "_" + Tiles.suffix(rows.encoding());
  }

  private long address(Optional<Tensor> t) {
    return t.map(x -> CudaBuffer.address(x, backend.cu())).orElse(0L);
  }

  // ---- hyper-connections ------------------------------------------------------------------------

  @Override
  public void readStreams(
      Tensor x,
      Tensor mixes,
      Tensor base,
      Tensor scale,
      HyperShape shape,
      Optional<Tensor> mix,
      Tensor out) {
    begin("read_streams", STREAMS)
        .grid(x.rows())
        .p(x)
        .p(mixes)
        .i(mixes.cols())
        .p(base)
        .p(scale)
        .i(shape.streams())
        .i(out.cols())
        .i(shape.iterations())
        .f(shape.eps())
        .f(shape.normEps())
        .p(address(mix))
        .p(out)
        .run();
  }

  @Override
  public void writeStreams(Tensor x, Tensor y, Tensor mix, HyperShape shape) {
    begin("write_streams", ELEMENTS)
        .grid(y.rows(), Math.ceilDiv(y.cols(), (long) ELEMENTS))
        .p(x)
        .p(y)
        .p(mix)
        .i(shape.streams())
        .i(y.cols())
        .run();
  }

  // ---- compressed attention ---------------------------------------------------------------------

  @Override
  public void wholeBlocks(Tensor length, int tokens, Tensor out) {
    begin("whole_blocks", ELEMENTS)
        .grid(Math.ceilDiv(out.cols(), (long) ELEMENTS))
        .p(length)
        .i(tokens)
        .p(out)
        .i(out.cols())
        .run();
  }

  @Override
  public void stage(Tensor x, Ring ring) {
    begin(of("stage", ring.rows()), ROW)
        .grid(x.rows())
        .p(x)
        .i(x.cols())
        .p(ring.rows())
        .l(ring.staged())
        .run();
  }

  @Override
  public void keep(Tensor x, Ring ring, StepBatch batch) {
    begin(of("keep", ring.rows()), ROW)
        .grid(x.rows())
        .p(x)
        .i(x.cols())
        .p(ring.rows())
        .l(ring.first())
        .i(ring.length())
        .p(batch.position())
        .p(batch.sequence())
        .i(x.rows())
        .run();
  }

  @Override
  public void appendBlock(
      Tensor x,
      Tensor ape,
      Tensor norm,
      float eps,
      Tensor table,
      Rounding rounding,
      Ring state,
      KvCache blocks,
      StepBatch batch) {
    begin(of("append_block", blocks.entries()), ROW)
        .grid(x.rows())
        .shared(4 * norm.cols())
        .p(x)
        .p(ape)
        .p(norm)
        .f(eps)
        .p(table)
        .i(number(rounding))
        .p(state.rows())
        .l(state.first())
        .i(state.length())
        .p(blocks.entries())
        .i(blocks.pageTokens())
        .i(ape.rows())
        .i(ape.cols())
        .i(norm.cols())
        .i(table.cols())
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.pages())
        .i(batch.pages().cols())
        .run();
  }

  /** As compressed.cu has it. */
  private static int number(Rounding rounding) {
    return switch (rounding) {
      case NONE -> 0;
      case E4M3 -> 1;
      case E2M1 -> 2;
    };
  }

  @Override
  public void round(Tensor x, int heads, int rope, Rounding rounding) {
    if (rounding == Rounding.NONE) {
      return;
    }
    long head = x.cols() / heads;
    begin("round_heads", ROW)
        .grid(x.rows() * heads)
        .shared(4 * head)
        .p(x)
        .i(head)
        .i(rope)
        .i(number(rounding))
        .run();
  }

  @Override
  public void look(
      Ring ring,
      int window,
      Optional<Blocks> all,
      Optional<Selection> chosen,
      StepBatch batch,
      Selection out) {
    begin("look", ELEMENTS)
        .grid(batch.tokens(), Math.ceilDiv(out.rows().cols(), (long) ELEMENTS))
        .l(ring.first())
        .i(ring.length())
        .l(ring.staged())
        .i(window)
        .p(address(all.map(Blocks::seen)))
        .i(all.map(b -> b.entries().pageTokens()).orElse(1))
        .p(address(chosen.map(Selection::rows)))
        .p(address(chosen.map(Selection::count)))
        .i(chosen.map(c -> c.rows().cols()).orElse(0L))
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.pages())
        .i(batch.pages().cols())
        .p(out.rows())
        .i(out.rows().cols())
        .p(out.sequence())
        .p(out.count())
        .run();
  }

  @Override
  public void sinkDecode(
      Tensor q, KvCache cache, Tensor sinks, MlaShape shape, StepBatch batch, Tensor out) {
    attention.decode(q, cache, Optional.of(sinks), shape, batch, out);
  }

  // ---- experts ----------------------------------------------------------------------------------

  @Override
  public void routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights) {
    begin("route_by_token", 32)
        .grid(logits.rows())
        .p(logits)
        .p(table)
        .p(batch.token())
        .i(rule.experts())
        .i(rule.used())
        .i(Experts.number(rule.scoring()))
        .i(rule.normalise())
        .f(rule.scale())
        .p(batch.sequence())
        .p(ids)
        .p(weights)
        .run();
  }

  @Override
  public void clampedSiluMul(Tensor gate, Tensor up, float limit, Tensor out) {
    long n = out.rows() * out.cols();
    begin("clamped_silu_mul", ELEMENTS)
        .grid(Math.ceilDiv(n, 1024L))
        .p(gate)
        .p(up)
        .f(limit)
        .p(out)
        .l(n)
        .run();
  }
}
