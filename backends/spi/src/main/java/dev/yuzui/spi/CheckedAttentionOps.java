package dev.yuzui.spi;

import static dev.yuzui.spi.Checks.apart;
import static dev.yuzui.spi.Checks.apartOrSame;
import static dev.yuzui.spi.Checks.batch;
import static dev.yuzui.spi.Checks.cache;
import static dev.yuzui.spi.Checks.check;
import static dev.yuzui.spi.Checks.encoding;
import static dev.yuzui.spi.Checks.perHead;
import static dev.yuzui.spi.Checks.shape;
import static dev.yuzui.spi.Checks.weight;
import static dev.yuzui.spi.Checks.width;

/** The part of {@link CheckedOps} that is about attention and its caches. */
interface CheckedAttentionOps extends Ops {

  /** Where a call goes whose arguments are right. */
  Ops to();

  @Override
  default void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    rope("rope", x, xOffset, heads, table, batch, out, outOffset);
    to().rope(x, xOffset, heads, table, batch, out, outOffset);
  }

  private static void rope(
      String op,
      Tensor x,
      int xOffset,
      int heads,
      Tensor table,
      StepBatch batch,
      Tensor out,
      int outOffset) {
    encoding(op, Encoding.F32, x, table, out);
    batch(op, batch, x, out);
    check(table.cols() % 2 == 0, op, "pairs need an even number of columns", table);
    perHead(op, x, xOffset, table.cols(), heads);
    perHead(op, out, outOffset, table.cols(), heads);
    if (xOffset == outOffset) {
      apartOrSame(op, out, x);
    } else {
      apart(op, out, x);
    }
    apart(op, out, table);
  }

  @Override
  default void ropeAppend(
      Tensor q,
      int qOffset,
      int heads,
      Tensor kv,
      Tensor norm,
      float eps,
      Tensor table,
      KvCache cache,
      StepBatch batch) {
    rope("ropeAppend", q, qOffset, heads, table, batch, q, qOffset);
    appendLatent("ropeAppend", kv, norm, table, cache, batch);
    apart("ropeAppend", q, kv, norm, cache.entries());
    to().ropeAppend(q, qOffset, heads, kv, norm, eps, table, cache, batch);
  }

  @Override
  default void appendLatent(
      Tensor kv, Tensor norm, float eps, Tensor table, KvCache cache, StepBatch batch) {
    appendLatent("appendLatent", kv, norm, table, cache, batch);
    to().appendLatent(kv, norm, eps, table, cache, batch);
  }

  private static void appendLatent(
      String op, Tensor kv, Tensor norm, Tensor table, KvCache cache, StepBatch batch) {
    encoding(op, Encoding.F32, kv, norm, table);
    cache(op, cache);
    batch(op, batch, kv);
    check(norm.rows() == 1, op, "the norm's weight is not [1, Lkv]", norm);
    check(table.cols() % 2 == 0, op, "pairs need an even number of columns", table);
    check(kv.cols() == norm.cols() + table.cols(), op, "kv is not Lkv+R wide", kv, norm, table);
    check(kv.cols() == cache.entries().cols(), op, "columns differ", kv, cache.entries());
  }

  @Override
  default void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    String op = "append";
    encoding(op, Encoding.F32, k, v, table);
    cache(op, cache);
    batch(op, batch, k, v);
    width(op, "G·D", (long) shape.kvHeads() * shape.head(), k);
    width(op, "G·D", (long) shape.kvHeads() * shape.head(), v);
    width(op, "D", shape.head(), table);
    entry(op, cache, shape);
    apart(op, cache.entries(), k, v, table);
    to().append(k, v, table, cache, shape, batch);
  }

  /** A head's key and value are whole blocks, so that they can be read alone. */
  private static void entry(String op, KvCache cache, GroupedShape shape) {
    width(op, "2·G·D", shape.entry(), cache.entries());
    check(
        2 * shape.head() % cache.entries().encoding().blockElements() == 0,
        op,
        "2·D of a head are no whole blocks",
        cache.entries());
  }

  @Override
  default void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    String op = "attend";
    encoding(op, Encoding.F32, q, out);
    cache(op, cache);
    batch(op, batch, q, out);
    width(op, "N·D", (long) shape.heads() * shape.head(), q);
    width(op, "N·D", (long) shape.heads() * shape.head(), out);
    entry(op, cache, shape);
    apart(op, out, q, cache.entries());
    to().attend(q, cache, shape, batch, out);
  }

  @Override
  default void appendIndex(
      Tensor keys,
      Tensor norm,
      Tensor bias,
      float eps,
      Tensor table,
      KvCache cache,
      IndexShape shape,
      StepBatch batch) {
    String op = "appendIndex";
    encoding(op, Encoding.F32, keys, norm, bias, table);
    cache(op, cache);
    batch(op, batch, keys);
    shape(op, "the norm", 1, shape.head(), norm);
    shape(op, "the bias", 1, shape.head(), bias);
    width(op, "I", shape.head(), keys);
    width(op, "R", shape.rope(), table);
    width(op, "I", shape.head(), cache.entries());
    apart(op, cache.entries(), keys, norm, bias, table);
    to().appendIndex(keys, norm, bias, eps, table, cache, shape, batch);
  }

  @Override
  default void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    String op = "select";
    encoding(op, Encoding.F32, q, weights);
    encoding(op, Encoding.I32, out.rows(), out.sequence(), out.count());
    cache(op, keys);
    batch(op, batch, q, weights, out.rows());
    width(op, "Hi·I", (long) shape.heads() * shape.head(), q);
    width(op, "Hi", shape.heads(), weights);
    width(op, "I", shape.head(), keys.entries());
    check(
        out.rows().cols() <= shape.topK(),
        op,
        "more than the " + shape.topK() + " entries that are chosen",
        out.rows());
    shape(op, "the sequence", 1, batch.tokens(), out.sequence());
    shape(op, "the count", 1, batch.tokens(), out.count());
    apart(op, out.rows(), q, weights, keys.entries());
    to().select(q, weights, keys, shape, batch, out);
  }

  @Override
  default void mlaDecode(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    decode("mlaDecode", q, cache, shape, batch, out);
    to().mlaDecode(q, cache, shape, batch, out);
  }

  static void decode(
      String op, Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    encoding(op, Encoding.F32, q, out);
    cache(op, cache);
    batch(op, batch, q, out);
    width(op, "N·(Lkv+R)", (long) shape.heads() * shape.entry(), q);
    width(op, "N·Lkv", (long) shape.heads() * shape.kvLora(), out);
    width(op, "Lkv+R", shape.entry(), cache.entries());
    apart(op, out, q, cache.entries());
  }

  @Override
  default void mlaPrefill(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    attention("mlaPrefill", q, cache, keyUp, valueUp, shape, batch, out);
    to().mlaPrefill(q, cache, keyUp, valueUp, shape, batch, out);
  }

  @Override
  default void mlaAbsorbed(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    attention("mlaAbsorbed", q, cache, keyUp, valueUp, shape, batch, out);
    to().mlaAbsorbed(q, cache, keyUp, valueUp, shape, batch, out);
  }

  @Override
  default void mlaChosen(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Selection chosen,
      Tensor out) {
    String op = "mlaChosen";
    attention(op, q, cache, keyUp, valueUp, shape, batch, out);
    encoding(op, Encoding.I32, chosen.rows(), chosen.sequence(), chosen.count());
    batch(op, chosen.batch(batch), chosen.rows());
    apart(op, out, chosen.rows(), chosen.sequence(), chosen.count());
    to().mlaChosen(q, cache, keyUp, valueUp, shape, batch, chosen, out);
  }

  private static void attention(
      String op,
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    encoding(op, Encoding.F32, q, out);
    weight(op, keyUp);
    weight(op, valueUp);
    cache(op, cache);
    batch(op, batch, q, out);
    width(op, "N·(P+R)", (long) shape.heads() * shape.query(), q);
    width(op, "N·V", (long) shape.heads() * shape.value(), out);
    width(op, "Lkv+R", shape.entry(), cache.entries());
    shape(op, "[N·Lkv, P]", (long) shape.heads() * shape.kvLora(), shape.nope(), keyUp);
    shape(op, "[N·V, Lkv]", (long) shape.heads() * shape.value(), shape.kvLora(), valueUp);
    apart(op, out, q, keyUp, valueUp, cache.entries());
  }
}
