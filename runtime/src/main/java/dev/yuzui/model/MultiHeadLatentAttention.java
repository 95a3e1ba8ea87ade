package dev.yuzui.model;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;

/**
 * Multi-head latent attention, DeepSeek-V2 report §2.1: the cache keeps a latent of Lkv numbers and
 * one rotated key of R, from which every head's keys and values follow by W_UK and W_UV.
 *
 * @param query q = W_Q x, or W_UQ norm(W_DQ x)
 * @param kvA [Lkv+R, H] down-projection to [latent; shared key]
 * @param keyUp W_UK, [N·Lkv, P]
 * @param valueUp W_UV, [N·V, Lkv]
 * @param out [H, N·V]
 */
record MultiHeadLatentAttention(
    int layer,
    MlaShape shape,
    Query query,
    Tensor kvA,
    Norm kvNorm,
    Tensor keyUp,
    Tensor valueUp,
    Tensor out)
    implements Attention {

  sealed interface Query {
    /** V2-Lite, Moonlight. w [N·(P+R), H]. */
    record Direct(Tensor w) implements Query {}

    /** a [Lq, H], b [N·(P+R), Lq]. */
    record LowRank(Tensor a, Norm norm, Tensor b) implements Query {}
  }

  @Override
  public void forward(Step s, Tensor x, Tensor y) {
    Tensor q = query(s, x);
    Tensor kv = latent(s, x);
    s.ops()
        .ropeAppend(
            q,
            shape.nope(),
            shape.heads(),
            kv,
            kvNorm.weight(),
            kvNorm.eps(),
            s.ropeTable(),
            s.cache().layer(layer),
            s.batch());
    lookUp(s, q, y);
  }

  @Override
  public void forward(Step s, Tensor x, Step some, Tensor someX, Tensor y) {
    Tensor q = query(some, someX);
    append(s, x);
    some.ops().rope(q, shape.nope(), shape.heads(), s.ropeTable(), some.batch(), q, shape.nope());
    lookUp(some, q, y);
  }

  @Override
  public void append(Step s, Tensor x) {
    KvCache cache = s.cache().layer(layer);
    s.ops()
        .appendLatent(latent(s, x), kvNorm.weight(), kvNorm.eps(), s.ropeTable(), cache, s.batch());
  }

  /** [T, N·(P+R)] */
  private Tensor query(Step s, Tensor x) {
    Tensor q =
        switch (query) {
          case Query.Direct(Tensor w) -> s.matmul(x, w);
          case Query.LowRank(Tensor a, Norm norm, Tensor b) ->
              s.matmul(s.norm(norm, s.matmul(x, a)), b);
        };
    s.tap().at(layer, Point.QUERY, q);
    return q;
  }

  /** [T, Lkv+R] */
  private Tensor latent(Step s, Tensor x) {
    Tensor kv = s.matmul(x, kvA);
    s.tap().at(layer, Point.LATENT, kv);
    return kv;
  }

  private void lookUp(Step s, Tensor q, Tensor y) {
    Ops ops = s.ops();
    KvCache cache = s.cache().layer(layer);
    Tensor o = s.rows("attn_heads", (long) shape.heads() * shape.value()); // [T, N·V]
    switch (s.form()) {
      case ABSORBED -> ops.mlaAbsorbed(q, cache, keyUp, valueUp, shape, s.batch(), o);
      case PREFILL -> ops.mlaPrefill(q, cache, keyUp, valueUp, shape, s.batch(), o);
    }
    s.tap().at(layer, Point.HEADS, o);
    ops.matmul(o, out, y);
  }
}
