package dev.yuzui.spi;

import static dev.yuzui.spi.Checks.apart;
import static dev.yuzui.spi.Checks.apartOrSame;
import static dev.yuzui.spi.Checks.batch;
import static dev.yuzui.spi.Checks.cache;
import static dev.yuzui.spi.Checks.check;
import static dev.yuzui.spi.Checks.encoding;
import static dev.yuzui.spi.Checks.sameShape;
import static dev.yuzui.spi.Checks.shape;
import static dev.yuzui.spi.Checks.width;

import java.util.Optional;

/** The part of {@link CheckedOps} that is about {@link CompressedOps}. */
interface CheckedCompressedOps extends CompressedOps {

  /** Where a call goes whose arguments are right. */
  Ops to();

  @Override
  default void readStreams(
      Tensor x,
      Tensor mixes,
      Tensor base,
      Tensor scale,
      HyperShape shape,
      Optional<Tensor> mix,
      Tensor out) {
    String op = "readStreams";
    encoding(op, Encoding.F32, x, mixes, base, scale, out);
    int streams = shape.streams();
    width(op, "S·H", streams * out.cols(), x);
    check(x.rows() == out.rows() && mixes.rows() == x.rows(), op, "rows differ", x, mixes, out);
    width(op, mix.isPresent() ? "S·(2+S)" : "S", mix.isPresent() ? shape.mixes() : streams, mixes);
    shape(op, "the base", 1, mixes.cols(), base);
    shape(op, "the scale", 1, mix.isPresent() ? 3 : 1, scale);
    apart(op, out, x, mixes, base, scale);
    mix.ifPresent(
        m -> {
          encoding(op, Encoding.F32, m);
          shape(op, "[T, S·(1+S)]", x.rows(), shape.kept(), m);
          apart(op, m, x, mixes, base, scale, out);
        });
    to().readStreams(x, mixes, base, scale, shape, mix, out);
  }

  @Override
  default void writeStreams(Tensor x, Tensor y, Tensor mix, HyperShape shape) {
    String op = "writeStreams";
    encoding(op, Encoding.F32, x, y, mix);
    width(op, "S·H", shape.streams() * y.cols(), x);
    check(x.rows() == y.rows(), op, "rows differ", x, y);
    shape(op, "[T, S·(1+S)]", x.rows(), shape.kept(), mix);
    apart(op, x, y, mix);
    to().writeStreams(x, y, mix, shape);
  }

  @Override
  default void wholeBlocks(Tensor length, int tokens, Tensor out) {
    String op = "wholeBlocks";
    encoding(op, Encoding.I32, length, out);
    sameShape(op, length, out);
    check(tokens >= 1, op, "a block has a token at least, not " + tokens, length);
    apart(op, out, length);
    to().wholeBlocks(length, tokens, out);
  }

  @Override
  default void stage(Tensor x, Ring ring) {
    encoding("stage", Encoding.F32, x);
    ring("stage", ring, x);
    check(
        ring.staged() >= 0 && ring.staged() + x.rows() <= ring.rows().rows(),
        "stage",
        "the ring has no room for the step's rows at " + ring.staged(),
        x,
        ring.rows());
    to().stage(x, ring);
  }

  @Override
  default void keep(Tensor x, Ring ring, StepBatch batch) {
    encoding("keep", Encoding.F32, x);
    batch("keep", batch, x);
    ring("keep", ring, x);
    to().keep(x, ring, batch);
  }

  private static void ring(String op, Ring ring, Tensor x) {
    width(op, "W", ring.rows().cols(), x);
    check(
        Encoding.caches().contains(ring.rows().encoding()), op, "no cache's encoding", ring.rows());
    check(
        ring.first() + ring.length() <= ring.rows().rows(),
        op,
        "rings of %d rows from %d on".formatted(ring.length(), ring.first()),
        ring.rows());
    apart(op, ring.rows(), x);
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
    String op = "appendBlock";
    encoding(op, Encoding.F32, x, ape, norm, table, state.rows());
    batch(op, batch, x);
    cache(op, blocks);
    check(norm.rows() == 1, op, "the norm's weight is not [1, D]", norm);
    check(
        ape.cols() == norm.cols() || ape.cols() == 2 * norm.cols(),
        op,
        "blocks are D wide, or 2·D where they overlap",
        ape,
        norm);
    width(op, "2·c·D", 2 * ape.cols(), x);
    width(op, "D", norm.cols(), blocks.entries());
    check(table.cols() % 2 == 0 && table.cols() <= norm.cols(), op, "what rotates", table, norm);
    rounded(op, norm.cols(), table.cols(), rounding, norm);
    ring(op, state, x);
    long slots = ape.rows() * (ape.cols() / norm.cols());
    check(state.length() >= slots - 1, op, "a block needs " + slots + " rows", state.rows());
    apart(op, blocks.entries(), x, ape, norm, table, state.rows());
    to().appendBlock(x, ape, norm, eps, table, rounding, state, blocks, batch);
  }

  private static void rounded(String op, long head, long rope, Rounding rounding, Tensor x) {
    switch (rounding) {
      case NONE -> {}
      case E4M3 -> check((head - rope) % 64 == 0, op, "E4M3 has blocks of 64", x);
      case E2M1 ->
          check(head % 32 == 0 && Long.bitCount(head) == 1, op, "E2M1 has blocks of 32", x);
    }
  }

  @Override
  default void round(Tensor x, int heads, int rope, Rounding rounding) {
    encoding("round", Encoding.F32, x);
    check(heads > 0 && x.cols() % heads == 0, "round", heads + " heads do not divide x", x);
    check(rope >= 0 && rope <= x.cols() / heads, "round", rope + " elements rotate", x);
    rounded("round", x.cols() / heads, rope, rounding, x);
    to().round(x, heads, rope, rounding);
  }

  @Override
  default void look(
      Ring ring,
      int window,
      Optional<Blocks> all,
      Optional<Selection> chosen,
      StepBatch batch,
      Selection out) {
    String op = "look";
    encoding(op, Encoding.I32, out.rows(), out.sequence(), out.count());
    batch(op, batch, out.rows());
    shape(op, "the sequence", 1, batch.tokens(), out.sequence());
    shape(op, "the count", 1, batch.tokens(), out.count());
    check(window >= 1 && ring.length() >= window - 1, op, "a window of " + window, ring.rows());
    check(ring.staged() >= 0, op, "the ring has no room for the step's rows", ring.rows());
    all.ifPresent(
        blocks -> {
          cache(op, blocks.entries());
          encoding(op, Encoding.I32, blocks.seen());
          shape(op, "what is seen", 1, batch.tokens(), blocks.seen());
        });
    chosen.ifPresent(
        c -> {
          encoding(op, Encoding.I32, c.rows(), c.count());
          check(c.rows().rows() == batch.tokens(), op, "rows differ", c.rows(), out.rows());
          check(all.isEmpty(), op, "either all blocks or some", c.rows());
          apart(op, out.rows(), c.rows(), c.count());
        });
    long blocks =
        chosen
            .map(c -> c.rows().cols())
            .orElseGet(() -> all.isPresent() ? out.rows().cols() - window : 0);
    check(out.rows().cols() >= window + blocks, op, "out is too narrow", out.rows());
    to().look(ring, window, all, chosen, batch, out);
  }

  @Override
  default void sinkDecode(
      Tensor q, KvCache cache, Tensor sinks, MlaShape shape, StepBatch batch, Tensor out) {
    String op = "sinkDecode";
    CheckedAttentionOps.decode(op, q, cache, shape, batch, out);
    encoding(op, Encoding.F32, sinks);
    shape(op, "[1, N]", 1, shape.heads(), sinks);
    apart(op, out, sinks);
    to().sinkDecode(q, cache, sinks, shape, batch, out);
  }

  @Override
  default void routeByToken(
      Tensor logits, Tensor table, GateRule rule, StepBatch batch, Tensor ids, Tensor weights) {
    String op = "routeByToken";
    encoding(op, Encoding.F32, logits, weights);
    encoding(op, Encoding.I32, table, ids, batch.token());
    batch(op, batch, logits, ids, weights);
    width(op, "E", rule.experts(), logits);
    width(op, "K", rule.used(), table);
    width(op, "K", rule.used(), ids);
    width(op, "K", rule.used(), weights);
    apart(op, ids, logits, weights, table);
    apart(op, weights, logits);
    to().routeByToken(logits, table, rule, batch, ids, weights);
  }

  @Override
  default void clampedSiluMul(Tensor gate, Tensor up, float limit, Tensor out) {
    String op = "clampedSiluMul";
    encoding(op, Encoding.F32, gate, up, out);
    sameShape(op, gate, up);
    sameShape(op, gate, out);
    check(limit > 0, op, "a limit above 0, not " + limit, gate);
    apartOrSame(op, out, gate);
    apart(op, out, up);
    to().clampedSiluMul(gate, up, limit, out);
  }
}
