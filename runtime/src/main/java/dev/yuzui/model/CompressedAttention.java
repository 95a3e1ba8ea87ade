package dev.yuzui.model;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.CompressedOps.Blocks;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * DeepSeek-V4's attention: one row for each token, key and value of all heads, of which a query
 * sees those of a window; and, where a layer compresses, a row for each block of tokens, all of
 * them (HCA) or those that an indexer chooses (CSA).
 *
 * @param shape kvLora D, rope 0: a row is looked at as a latent is
 * @param qA [Lq, H]
 * @param qB [N·D, Lq]
 * @param headNorm of each head's query: weights of one
 * @param kv [D, H]
 * @param sinks F32 [1, N]
 * @param outA [G·R, N·D/G], of groups of heads
 * @param outB [H, G·R]
 * @param window tokens, the query's own included
 * @param blocks empty where the layer has none
 */
record CompressedAttention(
    int layer,
    MlaShape shape,
    Tensor qA,
    Norm qNorm,
    Tensor qB,
    Norm headNorm,
    Tensor kv,
    Norm kvNorm,
    Tensor sinks,
    int groups,
    Tensor outA,
    Tensor outB,
    Angles angles,
    int window,
    Optional<CompressedBlocks> blocks,
    Rounding rounding)
    implements Attention {

  /**
   * How the last elements of rows rotate.
   *
   * @param there [context, R], cos and sin
   * @param back the same of the opposite angles
   */
  record Angles(Tensor there, Tensor back) {
    int count() {
      return (int) there.cols();
    }
  }

  @Override
  public void forward(Step s, Tensor x, Tensor y) {
    Ops ops = s.ops();
    Tensor low = s.norm(qNorm, s.matmul(x, qA));
    Tensor q = s.matmul(low, qB);
    s.tap().at(layer, Point.QUERY, q);
    Tensor heads = q.reshaped(q.rows() * shape.heads(), shape.kvLora());
    ops.rmsNorm(heads, headNorm.weight(), headNorm.eps(), heads);
    rotate(s, q, shape.heads(), angles.there());

    Tensor row = row(s, x);
    Ring ring = s.cache().ring(layer, CacheStream.ENTRIES);
    ops.stage(row, ring);
    Selection seen = look(s, x, low, ring);
    Tensor o = s.rows("attn_heads", q.cols());
    ops.sinkDecode(q, new KvCache(ring.rows(), 1), sinks, shape, seen.batch(s.batch()), o);
    ops.keep(row, ring, s.batch());
    s.tap().at(layer, Point.HEADS, o);

    rotate(s, o, shape.heads(), angles.back());
    Tensor projected = s.rows(outA.name(), outA.rows());
    ops.matmulPerHead(o, 0, outA, groups, projected, 0);
    ops.matmul(projected, outB, y);
  }

  /**
   * All rows look, for those of the step are beside the ring; the layer's own network spares them.
   */
  @Override
  public void forward(Step s, Tensor x, Step some, Tensor someX, Tensor y) {
    Tensor all = s.rows("attention", y.cols());
    forward(s, x, all);
    some.ops().embed(all, s.batch().outputRow(), y);
  }

  @Override
  public void append(Step s, Tensor x) {
    s.ops().keep(row(s, x), s.cache().ring(layer, CacheStream.ENTRIES), s.batch());
    blocks.ifPresent(b -> b.append(s, x));
  }

  /** What is kept of x, [T, D]. */
  private Tensor row(Step s, Tensor x) {
    Tensor made = s.matmul(x, kv);
    s.tap().at(layer, Point.LATENT, made);
    Tensor row = s.norm(kvNorm, made);
    rotate(s, row, 1, angles.there());
    if (rounding != Rounding.NONE) {
      s.ops().round(row, 1, angles.count(), rounding);
    }
    return row;
  }

  private void rotate(Step s, Tensor x, int heads, Tensor by) {
    int from = (int) (x.cols() / heads) - angles.count();
    s.ops().rope(x, from, heads, by, s.batch(), x, from);
  }

  private Selection look(Step s, Tensor x, Tensor low, Ring ring) {
    if (blocks.isEmpty()) {
      Selection out = selection(s, "window", window);
      s.ops().look(ring, window, Optional.empty(), Optional.empty(), s.batch(), out);
      return out;
    }
    CompressedBlocks kept = blocks.get();
    kept.append(s, x);
    KvCacheStore cache = s.cache();
    int most = kept.most(cache.pagesPerSequence() * cache.pageTokens());
    Tensor count = s.scratch().i32("blocks", 1, s.tokens());
    s.ops().wholeBlocks(s.batch().kvLength(), kept.tokens(), count);
    Selection out = selection(s, "look", window + most);
    if (kept.indexer().isPresent() && s.form() == Step.AttentionForm.SPARSE) {
      Selection chosen = selection(s, "chosen_blocks", most);
      kept.indexer().get().select(s.with(blocks(s.batch(), count)), x, low, chosen);
      s.ops().look(ring, window, Optional.empty(), Optional.of(chosen), s.batch(), out);
    } else {
      Blocks all = new Blocks(cache.stream(layer, CacheStream.ENTRIES), count);
      s.ops().look(ring, window, Optional.of(all), Optional.empty(), s.batch(), out);
    }
    return out;
  }

  private static Selection selection(Step s, String name, int most) {
    return new Selection(
        s.scratch().i32(name + "_rows", s.tokens(), most),
        s.scratch().i32(name + "_sequence", 1, s.tokens()),
        s.scratch().i32(name + "_count", 1, s.tokens()));
  }

  /** The step as its blocks see it. */
  private static StepBatch blocks(StepBatch b, Tensor count) {
    return new StepBatch(b.token(), b.position(), b.sequence(), count, b.pages(), b.outputRow());
  }
}
