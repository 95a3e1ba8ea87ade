package dev.yuzui.model;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Multi-head latent attention, DeepSeek-V2 report §2.1: the cache keeps a latent of Lkv numbers and
 * one rotated key of R, from which every head's keys and values follow by W_UK and W_UV.
 *
 * @param query q = W_Q x, or W_UQ norm(W_DQ x)
 * @param kvA [Lkv+R, H] down-projection to [latent; shared key]
 * @param keyUp W_UK, [N·Lkv, P]
 * @param valueUp W_UV, [N·V, Lkv]
 * @param out [H, N·V]
 * @param indexer of sparse attention; a layer of it without one looks at what the last that has one
 *     chose
 */
record MultiHeadLatentAttention(
    int layer,
    MlaShape shape,
    Query query,
    Tensor kvA,
    Norm kvNorm,
    Tensor keyUp,
    Tensor valueUp,
    Tensor out,
    Optional<LightningIndexer> indexer)
    implements Attention {

  sealed interface Query {
    /** V2-Lite, Moonlight. w [N·(P+R), H]. */
    record Direct(Tensor w) implements Query {}

    /** a [Lq, H], b [N·(P+R), Lq]. */
    record LowRank(Tensor a, Norm norm, Tensor b) implements Query {}
  }

  /** What queries are made of, [T, Lq] or [T, H], and they, [T, N·(P+R)]. */
  private record Queries(Tensor from, Tensor q) {}

  @Override
  public void forward(Step s, Tensor x, Tensor y) {
    Queries queries = queries(s, x);
    Tensor q = queries.q();
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
    indexer.ifPresent(i -> i.append(s, x));
    lookUp(s, x, queries, y);
  }

  @Override
  public void forward(Step s, Tensor x, Step some, Tensor someX, Tensor y) {
    Queries queries = queries(some, someX);
    Tensor q = queries.q();
    append(s, x);
    some.ops().rope(q, shape.nope(), shape.heads(), s.ropeTable(), some.batch(), q, shape.nope());
    lookUp(some, someX, queries, y);
  }

  @Override
  public void append(Step s, Tensor x) {
    KvCache cache = s.cache().layer(layer);
    s.ops()
        .appendLatent(latent(s, x), kvNorm.weight(), kvNorm.eps(), s.ropeTable(), cache, s.batch());
    indexer.ifPresent(i -> i.append(s, x));
  }

  private Queries queries(Step s, Tensor x) {
    Queries made =
        switch (query) {
          case Query.Direct(Tensor w) -> new Queries(x, s.matmul(x, w));
          case Query.LowRank(Tensor a, Norm norm, Tensor b) -> {
            Tensor low = s.norm(norm, s.matmul(x, a));
            yield new Queries(low, s.matmul(low, b));
          }
        };
    s.tap().at(layer, Point.QUERY, made.q());
    return made;
  }

  /** [T, Lkv+R] */
  private Tensor latent(Step s, Tensor x) {
    Tensor kv = s.matmul(x, kvA);
    s.tap().at(layer, Point.LATENT, kv);
    return kv;
  }

  private void lookUp(Step s, Tensor x, Queries queries, Tensor y) {
    Ops ops = s.ops();
    Tensor q = queries.q();
    KvCache cache = s.cache().layer(layer);
    Tensor o = s.rows("attn_heads", (long) shape.heads() * shape.value()); // [T, N·V]
    switch (s.form()) {
      case ABSORBED -> ops.mlaAbsorbed(q, cache, keyUp, valueUp, shape, s.batch(), o);
      case PREFILL -> ops.mlaPrefill(q, cache, keyUp, valueUp, shape, s.batch(), o);
      case SPARSE -> {
        Selection chosen = chosen(s, x, queries);
        ops.mlaAbsorbed(
            q, chosen.entries(cache), keyUp, valueUp, shape, chosen.batch(s.batch()), o);
      }
      case SPARSE_PREFILL ->
          ops.mlaChosen(q, cache, keyUp, valueUp, shape, s.batch(), chosen(s, x, queries), o);
    }
    s.tap().at(layer, Point.HEADS, o);
    ops.matmul(o, out, y);
  }

  private Selection chosen(Step s, Tensor x, Queries queries) {
    Selection chosen = s.selection();
    indexer.ifPresent(i -> i.select(s, x, queries.from(), chosen));
    return chosen;
  }
}
