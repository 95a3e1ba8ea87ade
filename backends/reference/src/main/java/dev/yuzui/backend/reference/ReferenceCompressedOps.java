package dev.yuzui.backend.reference;

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
import java.util.function.Consumer;

/** DeepSeek-V4's ops. */
record ReferenceCompressedOps(Consumer<Runnable> queue) implements CompressedOps {

  @Override
  public void readStreams(
      Tensor x,
      Tensor mixes,
      Tensor base,
      Tensor scale,
      HyperShape shape,
      Optional<Tensor> mix,
      Tensor out) {
    queue.accept(() -> Streams.read(x, mixes, base, scale, shape, mix, out));
  }

  @Override
  public void writeStreams(Tensor x, Tensor y, Tensor mix, HyperShape shape) {
    queue.accept(() -> Streams.write(x, y, mix, shape));
  }

  @Override
  public void wholeBlocks(Tensor length, int tokens, Tensor out) {
    queue.accept(
        () -> {
          Matrix from = Matrix.of(length);
          Matrix to = Matrix.of(out);
          for (int t = 0; t < to.cols(); t++) {
            to.setInteger(0, t, from.integer(0, t) / tokens);
          }
        });
  }

  @Override
  public void stage(Tensor x, Ring ring) {
    queue.accept(() -> CompressedAttention.stage(x, ring));
  }

  @Override
  public void keep(Tensor x, Ring ring, StepBatch batch) {
    queue.accept(() -> CompressedAttention.keep(x, ring, batch));
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
    queue.accept(
        () -> CompressedAttention.append(x, ape, norm, eps, table, rounding, state, blocks, batch));
  }

  @Override
  public void round(Tensor x, int heads, int rope, Rounding rounding) {
    queue.accept(() -> CompressedAttention.round(x, heads, rope, rounding));
  }

  @Override
  public void look(
      Ring ring,
      int window,
      Optional<Blocks> all,
      Optional<Selection> chosen,
      StepBatch batch,
      Selection out) {
    queue.accept(() -> CompressedAttention.look(ring, window, all, chosen, batch, out));
  }

  @Override
  public void sinkDecode(
      Tensor q, KvCache cache, Tensor sinks, MlaShape shape, StepBatch batch, Tensor out) {
    queue.accept(() -> CompressedAttention.decode(q, cache, sinks, shape, batch, out));
  }

  @Override
  public void routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights) {
    queue.accept(() -> Experts.routeByToken(logits, table, rule, batch, ids, weights));
  }

  /** out = silu(min(gate, limit)) · clamp(up, −limit, limit) */
  @Override
  public void clampedSiluMul(Tensor gate, Tensor up, float limit, Tensor out) {
    queue.accept(
        () -> {
          Matrix gates = Matrix.of(gate);
          Matrix ups = Matrix.of(up);
          Matrix to = Matrix.of(out);
          for (int t = 0; t < to.rows(); t++) {
            double[] y = ReferenceOps.doubles(gates.row(t));
            float[] u = ups.row(t);
            for (int i = 0; i < y.length; i++) {
              double g = Math.min(y[i], limit);
              y[i] = g / (1 + Math.exp(-g)) * Math.clamp(u[i], -limit, limit);
            }
            to.set(t, y);
          }
        });
  }
}
