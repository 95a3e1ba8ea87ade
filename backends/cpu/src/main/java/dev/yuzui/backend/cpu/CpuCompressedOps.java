package dev.yuzui.backend.cpu;

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

/**
 * DeepSeek-V4's ops.
 *
 * @param ops takes what they become
 */
record CpuCompressedOps(CpuQueue queue, CpuOps ops, CpuKernels kernels, RowKernels rowKernels)
    implements CompressedOps {

  @Override
  public void readStreams(
      Tensor x,
      Tensor mixes,
      Tensor base,
      Tensor scale,
      HyperShape shape,
      Optional<Tensor> mix,
      Tensor out) {
    ops.submit(Streams.read(rowKernels, x, mixes, base, scale, shape, mix, out));
  }

  @Override
  public void writeStreams(Tensor x, Tensor y, Tensor mix, HyperShape shape) {
    queue.reserve(Streams.laneBytes(shape), 0);
    ops.submit(Streams.write(rowKernels, x, y, mix, shape));
  }

  @Override
  public void wholeBlocks(Tensor length, int tokens, Tensor out) {
    ops.submit(CompressedAttention.wholeBlocks(length, tokens, out));
  }

  @Override
  public void stage(Tensor x, Ring ring) {
    ops.submit(CompressedAttention.stage(kernels, x, ring));
  }

  @Override
  public void keep(Tensor x, Ring ring, StepBatch batch) {
    ops.submit(CompressedAttention.keep(kernels, x, ring, batch));
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
    queue.reserve(CompressedAttention.laneBytes(norm), 0);
    ops.submit(
        CompressedAttention.append(
            kernels, rowKernels, x, ape, norm, eps, table, rounding, state, blocks, batch));
  }

  @Override
  public void round(Tensor x, int heads, int rope, Rounding rounding) {
    queue.reserve(4 * x.cols() / heads, 0);
    ops.submit(CompressedAttention.round(x, heads, rope, rounding));
  }

  @Override
  public void look(
      Ring ring,
      int window,
      Optional<Blocks> all,
      Optional<Selection> chosen,
      StepBatch batch,
      Selection out) {
    ops.submit(CompressedAttention.look(ring, window, all, chosen, batch, out));
  }

  @Override
  public void sinkDecode(
      Tensor q, KvCache cache, Tensor sinks, MlaShape shape, StepBatch batch, Tensor out) {
    ops.attend(q, cache, AttentionShape.of(shape), Optional.of(sinks), batch, out);
  }

  @Override
  public void routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights) {
    queue.reserve(4L * rule.experts(), 0);
    ops.submit(Experts.routeByToken(logits, table, rule, batch, ids, weights));
  }

  @Override
  public void clampedSiluMul(Tensor gate, Tensor up, float limit, Tensor out) {
    queue.reserve(4 * out.cols(), 0);
    ops.submit(Rows.clampedSiluMul(rowKernels, gate, up, limit, out));
  }
}
