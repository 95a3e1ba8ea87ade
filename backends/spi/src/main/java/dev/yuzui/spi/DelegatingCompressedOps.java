package dev.yuzui.spi;

import java.util.Optional;

/** {@link CompressedOps} that are another's. */
public interface DelegatingCompressedOps extends CompressedOps {
  CompressedOps compressed();

  @Override
  default void readStreams(
      Tensor x,
      Tensor mixes,
      Tensor base,
      Tensor scale,
      HyperShape shape,
      Optional<Tensor> mix,
      Tensor out) {
    compressed().readStreams(x, mixes, base, scale, shape, mix, out);
  }

  @Override
  default void writeStreams(Tensor x, Tensor y, Tensor mix, HyperShape shape) {
    compressed().writeStreams(x, y, mix, shape);
  }

  @Override
  default void wholeBlocks(Tensor length, int tokens, Tensor out) {
    compressed().wholeBlocks(length, tokens, out);
  }

  @Override
  default void stage(Tensor x, Ring ring) {
    compressed().stage(x, ring);
  }

  @Override
  default void keep(Tensor x, Ring ring, StepBatch batch) {
    compressed().keep(x, ring, batch);
  }

  @Override
  default void appendBlock(
      Tensor x,
      Tensor ape,
      Tensor norm,
      float eps,
      Tensor table,
      Rounding rounding,
      Ring state,
      KvCache blocks,
      StepBatch batch) {
    compressed().appendBlock(x, ape, norm, eps, table, rounding, state, blocks, batch);
  }

  @Override
  default void round(Tensor x, int heads, int rope, Rounding rounding) {
    compressed().round(x, heads, rope, rounding);
  }

  @Override
  default void look(
      Ring ring,
      int window,
      Optional<Blocks> all,
      Optional<Selection> chosen,
      StepBatch batch,
      Selection out) {
    compressed().look(ring, window, all, chosen, batch, out);
  }

  @Override
  default void sinkDecode(
      Tensor q, KvCache cache, Tensor sinks, MlaShape shape, StepBatch batch, Tensor out) {
    compressed().sinkDecode(q, cache, sinks, shape, batch, out);
  }

  @Override
  default void routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights) {
    compressed().routeByToken(logits, table, rule, batch, ids, weights);
  }

  @Override
  default void clampedSiluMul(Tensor gate, Tensor up, float limit, Tensor out) {
    compressed().clampedSiluMul(gate, up, limit, out);
  }
}
