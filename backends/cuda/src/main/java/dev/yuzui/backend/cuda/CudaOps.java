package dev.yuzui.backend.cuda;

import dev.yuzui.spi.CompressedOps;
import dev.yuzui.spi.DelegatingCompressedOps;
import dev.yuzui.spi.Dispatch;
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

/** Turns each call into launches on the queue's stream. */
final class CudaOps implements Ops, DelegatingCompressedOps {
  private static final int THREADS = 256;

  /** Numbers a block of a row kernel takes. */
  private static final long PER_BLOCK = 1024;

  /** Rows from which keys and values are rebuilt. */
  private static final int EXPANDED = 16;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;
  private final Products products;
  private final Attention attention;
  private final Prefill prefill;
  private final Grouped grouped;
  private final Experts experts;
  private final Index index;
  private final CompressedOps compressed;
  private final TopK topK;

  CudaOps(CudaBackend backend, CudaQueue queue, CudaScratch scratch) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = queue.launch();
    this.products = new Products(backend, queue, scratch, launch);
    this.attention = new Attention(backend, queue, scratch, launch, products);
    this.prefill = new Prefill(backend, queue, scratch, launch, products, attention);
    this.grouped = new Grouped(backend, queue, scratch, launch);
    this.experts = new Experts(backend, queue, scratch, launch, products);
    this.index = new Index(backend, queue, scratch, launch);
    this.compressed = new CudaCompressedOps(backend, queue, launch, attention);
    this.topK = new TopK(backend, queue, scratch, launch);
  }

  @Override
  public Scratch scratch() {
    return scratch;
  }

  @Override
  public CompressedOps compressed() {
    return compressed;
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel)).block(THREADS);
  }

  private static long blocks(long numbers) {
    return Math.ceilDiv(numbers, PER_BLOCK);
  }

  // ---- rows -------------------------------------------------------------------------------------

  @Override
  public void embed(Tensor table, Tensor row, Tensor out) {
    begin("embed_" + Tiles.suffix(table.encoding()))
        .grid(out.rows())
        .p(table)
        .p(row)
        .p(out)
        .i(table.rows())
        .i(table.cols())
        .run();
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    begin("rms_norm")
        .grid(x.rows())
        .block(normThreads(x))
        .p(x)
        .p(weight)
        .f(eps)
        .p(out)
        .i(x.cols())
        .run();
  }

  @Override
  public void addRow(Tensor x, Tensor row) {
    begin("add_row").grid(x.rows(), blocks(x.cols())).p(x).p(row).i(x.cols()).run();
  }

  @Override
  public void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
    begin("add_rms_norm")
        .grid(x.rows())
        .block(normThreads(x))
        .p(x)
        .p(y)
        .p(weight)
        .f(eps)
        .p(out)
        .i(x.cols())
        .run();
  }

  private static int normThreads(Tensor x) {
    return x.cols() <= 512 ? 128 : 512;
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    long n = out.rows() * out.cols();
    begin("add").grid(blocks(n)).p(a).p(b).p(out).l(n).run();
  }

  @Override
  public void concat(Tensor a, Tensor b, Tensor out) {
    begin("concat")
        .grid(out.rows(), blocks(out.cols()))
        .p(a)
        .p(b)
        .p(out)
        .i(a.cols())
        .i(b.cols())
        .run();
  }

  @Override
  public void siluMul(Tensor gate, Tensor up, Tensor out) {
    products.siluMul(gate, up, out);
  }

  @Override
  public void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
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
    begin("rope")
        .grid(x.rows(), blocks(heads * table.cols()))
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
    attention.append(Optional.empty(), 0, 1, kv, norm, eps, table, cache, batch);
  }

  @Override
  public void ropeAppend(
      Tensor q,
      int qOffset,
      int heads,
      Tensor kv,
      Tensor norm,
      float eps,
      Tensor table,
      KvCache cache,
      StepBatch batch) {
    attention.append(Optional.of(q), qOffset, heads, kv, norm, eps, table, cache, batch);
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
    if (q.rows() >= EXPANDED && prefill.expands(keyUp, valueUp, shape)) {
      prefill.run(q, cache, keyUp, valueUp, shape, batch, out);
    } else {
      mlaAbsorbed(q, cache, keyUp, valueUp, shape, batch, out);
    }
  }

  @Override
  public void mlaAbsorbed(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    attention.absorbed(q, cache, keyUp, valueUp, shape, batch, out);
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
    experts.route(logits, bias, rule, batch, ids, weights);
  }

  @Override
  public void gate(
      Tensor x,
      Tensor w,
      Optional<Tensor> bias,
      GateRule rule,
      StepBatch batch,
      Tensor ids,
      Tensor weights) {
    experts.gate(x, w, bias, rule, batch, ids, weights);
  }

  @Override
  public void permute(Tensor ids, Dispatch out) {
    experts.permute(ids, out);
  }

  @Override
  public void groupedMatmul(
      Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    products.grouped(x, gather, w, dispatch, out);
  }

  @Override
  public void combine(
      Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    experts.combine(y, dispatch, weights, base, out);
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
    topK.run(logits, ids, values);
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
