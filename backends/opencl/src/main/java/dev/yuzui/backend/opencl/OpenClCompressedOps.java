package dev.yuzui.backend.opencl;

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

/** DeepSeek-V4's: launches of streams.cl and compressed.cl, and of attention.cl with sinks. */
final class OpenClCompressedOps implements CompressedOps {
  /** Work-items of a group where each takes its element and no more. */
  private static final int ELEMENTS = 256;

  private final OpenClBackend backend;
  private final Launch launch;
  private final Attention attention;
  private final int group;

  OpenClCompressedOps(OpenClBackend backend, Launch launch, Attention attention) {
    this.backend = backend;
    this.launch = launch;
    this.attention = attention;
    this.group = backend.cl().device().rowGroup();
  }

  /** A group for each of {@code rows}. */
  private Launch rows(String stem, String kernel, long rows) {
    return launch.of(backend.programs().kernel(stem, kernel)).upTo(group).groups(rows);
  }

  /** A work-item for each of {@code perRow} numbers of each row, which must check its id. */
  private Launch elements(String stem, String kernel, long perRow, long rows) {
    launch.of(backend.programs().kernel(stem, kernel)).upTo(ELEMENTS);
    return launch.groups(Math.ceilDiv(perRow, launch.groupSize(0)), rows);
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
    rows("streams", "read_streams", x.rows())
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
        .p(mix)
        .p(out)
        .shared(4L * group)
        .run();
  }

  @Override
  public void writeStreams(Tensor x, Tensor y, Tensor mix, HyperShape shape) {
    elements("streams", "write_streams", y.cols(), y.rows())
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
    elements("compressed", "whole_blocks", out.cols(), 1)
        .p(length)
        .i(tokens)
        .p(out)
        .i(out.cols())
        .run();
  }

  private static String of(String kernel, Tensor rows) {
    return kernel + "_" + Layout.suffix(rows.encoding());
  }

  @Override
  public void stage(Tensor x, Ring ring) {
    rows("compressed", of("stage", ring.rows()), x.rows())
        .p(x)
        .i(x.cols())
        .p(ring.rows())
        .l(ring.staged())
        .shared(4 * x.cols())
        .run();
  }

  @Override
  public void keep(Tensor x, Ring ring, StepBatch batch) {
    rows("compressed", of("keep", ring.rows()), x.rows())
        .p(x)
        .i(x.cols())
        .p(ring.rows())
        .l(ring.first())
        .i(ring.length())
        .p(batch.position())
        .p(batch.sequence())
        .i(x.rows())
        .shared(4 * x.cols())
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
    rows("compressed", of("append_block", blocks.entries()), x.rows())
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
        .shared(4 * norm.cols())
        .shared(4L * group)
        .run();
  }

  /** As compressed.cl has it. */
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
    rows("compressed", "round_heads", x.rows() * heads)
        .p(x)
        .i(head)
        .i(rope)
        .i(number(rounding))
        .shared(4 * head)
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
    elements("compressed", "look", out.rows().cols(), batch.tokens())
        .l(ring.first())
        .i(ring.length())
        .l(ring.staged())
        .i(window)
        .p(all.map(Blocks::seen))
        .i(all.map(b -> b.entries().pageTokens()).orElse(1))
        .p(chosen.map(Selection::rows))
        .p(chosen.map(Selection::count))
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

  /** As gate.cl has it. */
  static int number(GateRule.Scoring scoring) {
    return switch (scoring) {
      case SOFTMAX -> 0;
      case SIGMOID -> 1;
      case SQRT_SOFTPLUS -> 2;
    };
  }

  @Override
  public void routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights) {
    rows("gate", "route_by_token", logits.rows())
        .p(logits)
        .p(table)
        .p(batch.token())
        .i(rule.experts())
        .i(rule.used())
        .i(number(rule.scoring()))
        .i(rule.normalise())
        .f(rule.scale())
        .p(batch.sequence())
        .p(ids)
        .p(weights)
        .shared(4L * group)
        .run();
  }

  @Override
  public void clampedSiluMul(Tensor gate, Tensor up, float limit, Tensor out) {
    long n = out.rows() * out.cols();
    elements("rows", "clamped_silu_mul", n, 1).p(gate).p(up).f(limit).p(out).l(n).run();
  }
}
