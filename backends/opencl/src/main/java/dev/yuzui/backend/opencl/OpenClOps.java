package dev.yuzui.backend.opencl;

import dev.yuzui.spi.CompressedOps;
import dev.yuzui.spi.DelegatingCompressedOps;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Turns each call into launches on the queue. */
final class OpenClOps implements Ops, DelegatingCompressedOps {
  /** Work-items of a group where each takes its element and no more. */
  private static final int ELEMENTS = 256;

  /** Logits of a row that a group of the first of two launches looks through. */
  private static final long SEARCHED_AT_ONCE = 4096;

  private final OpenClBackend backend;
  private final OpenClScratch scratch;
  private final Launch launch;
  private final Products products;
  private final Attention attention;
  private final Prefill prefill;
  private final Grouped grouped;
  private final Index index;
  private final CompressedOps compressed;
  private final int group;

  OpenClOps(OpenClBackend backend, OpenClQueue queue, OpenClScratch scratch) {
    this.backend = backend;
    this.scratch = scratch;
    this.launch = queue.launch();
    this.group = backend.cl().device().rowGroup();
    ProductShapes shapes = ProductShapes.of(backend.cl().device(), backend.extras());
    this.products = new Products(backend, scratch, launch, shapes);
    this.attention = new Attention(backend, scratch, launch, shapes);
    this.prefill = new Prefill(backend, scratch, launch, shapes, products, attention);
    this.grouped = new Grouped(backend, scratch, launch, shapes);
    this.index = new Index(backend, scratch, launch);
    this.compressed = new OpenClCompressedOps(backend, launch, attention);
  }

  @Override
  public Scratch scratch() {
    return scratch;
  }

  @Override
  public CompressedOps compressed() {
    return compressed;
  }

  private Launch begin(String stem, String kernel) {
    return launch.of(backend.programs().kernel(stem, kernel)).upTo(group);
  }

  /** A group for each row. */
  private Launch rows(String stem, String kernel, Tensor rows) {
    return begin(stem, kernel).groups(rows.rows());
  }

  /** A work-item for each of {@code perRow} numbers of each row, which must check its id. */
  private Launch elements(String kernel, long perRow, long rows) {
    launch.of(backend.programs().kernel("rows", kernel)).upTo(ELEMENTS);
    return launch.groups(Math.ceilDiv(perRow, launch.groupSize(0)), rows);
  }

  // ---- rows -------------------------------------------------------------------------------------

  @Override
  public void embed(Tensor table, Tensor row, Tensor out) {
    launch
        .of(
            backend
                .programs()
                .kernel("embed", "embed", "WEIGHTS=" + Layout.suffix(table.encoding())))
        .groups(out.rows())
        .upTo(group)
        .p(table)
        .l(Layout.scalesAt(table.rows(), table.cols()))
        .l(table.encoding().rowBytes(table.cols()))
        .i(table.cols())
        .p(row)
        .p(out)
        .run();
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    rows("rows", "rms_norm", x).p(x).p(weight).f(eps).p(out).i(x.cols()).shared(4L * group).run();
  }

  @Override
  public void addRow(Tensor x, Tensor row) {
    elements("add_row", x.cols(), x.rows()).p(x).p(row).i(x.cols()).run();
  }

  @Override
  public void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
    rows("rows", "add_rms_norm", x)
        .p(x)
        .p(y)
        .p(weight)
        .f(eps)
        .p(out)
        .i(x.cols())
        .shared(4L * group)
        .run();
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    long n = out.rows() * out.cols();
    elements("add", n, 1).p(a).p(b).p(out).l(n).run();
  }

  @Override
  public void concat(Tensor a, Tensor b, Tensor out) {
    elements("concat", out.cols(), out.rows()).p(a).p(b).p(out).i(a.cols()).i(b.cols()).run();
  }

  @Override
  public void siluMul(Tensor gate, Tensor up, Tensor out) {
    long n = out.rows() * out.cols();
    elements("silu_mul", n, 1).p(gate).p(up).p(out).l(n).run();
  }

  @Override
  public void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    if (count == 0) {
      return;
    }
    attention.copyPerHead(x, xOffset, count, heads, out, outOffset);
  }

  // ---- products ---------------------------------------------------------------------------------

  @Override
  public void matmul(Tensor x, Tensor w, Tensor out) {
    products.dense(x, 0, w, 1, out, 0);
  }

  @Override
  public void matmulPerHead(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    products.dense(x, xOffset, w, heads, out, outOffset);
  }

  @Override
  public void gatedMlp(Tensor x, Tensor gate, Tensor up, Tensor out) {
    products.gated(x, gate, up, out);
  }

  // ---- attention --------------------------------------------------------------------------------

  @Override
  public void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    elements("rope", heads * table.cols() / 2, x.rows())
        .p(x)
        .i(x.cols())
        .i(x.cols() / heads)
        .i(xOffset)
        .i(heads)
        .p(table)
        .i(table.cols())
        .p(batch.position())
        .p(out)
        .i(out.cols())
        .i(out.cols() / heads)
        .i(outOffset)
        .run();
  }

  @Override
  public void appendLatent(
      Tensor kv, Tensor norm, float eps, Tensor table, KvCache cache, StepBatch batch) {
    Tensor entries = cache.entries();
    rows("rows", "append_" + Layout.suffix(entries.encoding()), kv)
        .p(kv)
        .p(norm)
        .f(eps)
        .p(table)
        .i(norm.cols())
        .i(table.cols())
        .p(entries)
        .i(cache.pageTokens())
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.pages())
        .i(batch.pages().cols())
        .shared(4L * kv.cols())
        .shared(4L * group)
        .run();
  }

  @Override
  public void mlaDecode(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    attention.decode(q, cache, shape, batch, out);
  }

  @Override
  public void mlaPrefill(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    if (prefill.pays(q, shape)) {
      prefill.run(q, cache, keyUp, valueUp, shape, batch, out);
    } else {
      mlaAbsorbed(q, cache, keyUp, valueUp, shape, batch, out);
    }
  }

  @Override
  public void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    grouped.append(k, v, table, cache, shape, batch);
  }

  @Override
  public void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    grouped.attend(q, cache, shape, batch, out);
  }

  // ---- experts ----------------------------------------------------------------------------------

  @Override
  public void route(
      Tensor logits,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    rows("gate", "route", logits)
        .p(logits)
        .p(bias)
        .i(rule.experts())
        .i(rule.used())
        .i(rule.groups())
        .i(rule.groupsUsed())
        .i(OpenClCompressedOps.number(rule.scoring()))
        .i(rule.groupScore() == GateRule.GroupScore.TOP2_SUM)
        .i(rule.normalise())
        .f(rule.scale())
        .p(batch.sequence())
        .p(ids)
        .p(weights)
        .shared(4L * rule.experts())
        .shared(4L * rule.experts())
        .shared(4L * rule.groups())
        .shared(8L * group)
        .run();
  }

  @Override
  public void permute(Tensor ids, Dispatch out) {
    begin("gate", "permute")
        .p(ids)
        .i(out.slots())
        .i(out.experts())
        .p(out.offset())
        .p(out.slot())
        .p(out.place())
        .shared(4L * out.experts())
        .shared(4L * out.experts())
        .shared(4L * group)
        .run();
  }

  @Override
  public void groupedMatmul(
      Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    products.grouped(x, gather, w, dispatch, out);
  }

  @Override
  public void combine(
      Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    elements("combine", out.cols(), out.rows())
        .p(y)
        .p(dispatch.place())
        .p(weights)
        .p(base)
        .p(out)
        .i(dispatch.used())
        .i(out.cols())
        .run();
  }

  @Override
  public void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      Dispatch dispatch,
      Tensor out) {
    try (var frame = scratch.frame()) {
      Tensor hidden = scratch.f32("expert_hidden", dispatch.slots(), gate.rows());
      products.groupedGated(x, gate, up, dispatch, hidden);
      products.grouped(hidden, Gather.IN_PLACE, down, dispatch, out);
    }
  }

  // ---- sampling ---------------------------------------------------------------------------------

  @Override
  public void topK(Tensor logits, Tensor ids, Tensor values) {
    long k = ids.cols();
    long parts = Math.ceilDiv(logits.cols(), SEARCHED_AT_ONCE);
    try (var frame = scratch.frame()) {
      Tensor best = scratch.tensor("candidates", Encoding.F32, 2 * logits.rows(), k * parts);
      begin("sampling", "top_k_part")
          .groups(parts, logits.rows())
          .p(logits)
          .i(logits.cols())
          .i(k)
          .p(best)
          .shared(8L * group)
          .run();
      begin("sampling", "top_k_merge")
          .groups(logits.rows())
          .p(best)
          .i(parts)
          .i(k)
          .p(ids)
          .p(values)
          .shared(8L * group)
          .run();
    }
  }

  @Override
  public void appendIndex(
      Tensor keys,
      Tensor norm,
      Tensor bias,
      float eps,
      Tensor table,
      KvCache cache,
      IndexShape shape,
      StepBatch batch) {
    index.append(keys, norm, bias, eps, table, cache, shape, batch);
  }

  @Override
  public void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    index.select(q, weights, keys, shape, batch, out);
  }
}
