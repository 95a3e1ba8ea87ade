package dev.yuzui.backend.cpu;

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
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/** Turns each call into an {@link Op} with its addresses worked out. */
final class CpuOps implements Ops, DelegatingCompressedOps {
  /** Steps of fewer tokens take the absorbed form, whatever the lengths. */
  private static final int EXPAND_TOKENS = 16;

  /** Steps of more tokens have work enough without splitting a token's entries. */
  private static final int SPLIT_TOKENS = 16;

  private final CpuQueue queue;
  private final CpuKernels kernels;
  private final RowKernels rowKernels;
  private final Optional<NativeKernels> natives;
  private final CpuScratch scratch;
  private final Products products;
  private final CompressedOps compressed;

  /** What happens to an op before it is submitted: a condition, or nothing. */
  private UnaryOperator<Op> guard = op -> op;

  CpuOps(CpuQueue queue, KernelChoice kernels, CpuScratch scratch, int threads) {
    this.queue = queue;
    this.kernels = kernels.rows();
    this.natives = kernels.natives();
    this.rowKernels = kernels.rowKernels();
    this.scratch = scratch;
    this.products = new Products(queue, kernels, scratch, threads, this::submit);
    this.compressed = new CpuCompressedOps(queue, this, this.kernels, rowKernels);
  }

  @Override
  public Scratch scratch() {
    return scratch;
  }

  @Override
  public CompressedOps compressed() {
    return compressed;
  }

  void submit(Op op) {
    queue.submit(guard.apply(op));
  }

  @Override
  public void embed(Tensor table, Tensor row, Tensor out) {
    submit(Rows.embed(table, row, out));
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float eps, Tensor out) {
    submit(Rows.rmsNorm(rowKernels, x, weight, eps, out));
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    submit(Rows.add(rowKernels, a, b, out));
  }

  @Override
  public void addRow(Tensor x, Tensor row) {
    submit(Rows.addRow(rowKernels, x, row));
  }

  @Override
  public void addRmsNorm(Tensor x, Tensor y, Tensor weight, float eps, Tensor out) {
    submit(Rows.addRmsNorm(rowKernels, x, y, weight, eps, out));
  }

  @Override
  public void topK(Tensor logits, Tensor ids, Tensor values) {
    submit(TopK.of(natives, logits, ids, values));
  }

  @Override
  public void concat(Tensor a, Tensor b, Tensor out) {
    submit(Rows.concat(a, b, out));
  }

  @Override
  public void siluMul(Tensor gate, Tensor up, Tensor out) {
    submit(Rows.siluMul(rowKernels, gate, up, out));
  }

  @Override
  public void matmul(Tensor x, Tensor w, Tensor out) {
    products.matmul(x, 0, w, 1, out, 0);
  }

  @Override
  public void matmulPerHead(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    products.matmul(x, xOffset, w, heads, out, outOffset);
  }

  @Override
  public void gatedMlp(Tensor x, Tensor gate, Tensor up, Tensor out) {
    products.gatedMlp(x, gate, up, Float.POSITIVE_INFINITY, out);
  }

  @Override
  public void gatedMlp(Tensor x, Tensor gate, Tensor up, float limit, Tensor out) {
    products.gatedMlp(x, gate, up, limit, out);
  }

  // ---- attention --------------------------------------------------------------------------------

  @Override
  public void rope(
      Tensor x, int xOffset, int heads, Tensor table, StepBatch batch, Tensor out, int outOffset) {
    submit(Rows.rope(x, xOffset, heads, table, batch, out, outOffset));
  }

  @Override
  public void appendLatent(
      Tensor kv, Tensor norm, float eps, Tensor table, KvCache cache, StepBatch batch) {
    queue.reserve(4 * kv.cols() + 64, 0);
    submit(Rows.appendLatent(kernels, rowKernels, kv, norm, eps, table, cache, batch));
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
    queue.reserve(8L * shape.head() + 64, 0);
    submit(Rows.appendIndex(kernels, keys, norm, bias, eps, table, cache, shape, batch));
  }

  @Override
  public void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    IndexScores scores = IndexScores.of(kernels, natives, q, weights, keys, shape, batch);
    Indexer indexer = new Indexer(scores, keys, batch, out);
    if (q.rows() > SPLIT_TOKENS) {
      queue.reserve(indexer.wholeLaneBytes(), indexer.laneRows());
      submit(indexer.whole());
      return;
    }
    queue.reserve(indexer.splitLaneBytes(), indexer.laneRows());
    try (var frame = scratch.frame()) {
      Tensor memory = scratch.f32("index scores", 1, indexer.splitBytes() / 4);
      indexer.split(HostBuffer.address(memory)).forEach(this::submit);
    }
  }

  @Override
  public void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    submit(Rows.copyPerHead(x, xOffset, count, heads, out, outOffset));
  }

  @Override
  public void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    queue.reserve(4L * shape.entry() + 64, 0);
    submit(Rows.append(kernels, k, v, table, cache, shape, batch));
  }

  @Override
  public void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    attend(q, cache, AttentionShape.of(shape), Optional.empty(), batch, out);
  }

  @Override
  public void mlaDecode(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    attend(q, cache, AttentionShape.of(shape), Optional.empty(), batch, out);
  }

  /**
   * @param sinks see {@link CompressedOps#sinkDecode}
   */
  void attend(
      Tensor q,
      KvCache cache,
      AttentionShape shape,
      Optional<Tensor> sinks,
      StepBatch batch,
      Tensor out) {
    PagedAttention attention =
        natives
            .flatMap(n -> NativePagedAttention.of(n, q, cache, shape, sinks, batch, out))
            .orElseGet(() -> new RowPagedAttention(kernels, q, cache, shape, sinks, batch, out));
    if (q.rows() > SPLIT_TOKENS) {
      queue.reserve(attention.wholeLaneBytes(), 0);
      submit(attention.whole());
      return;
    }
    queue.reserve(attention.partLaneBytes(), 0);
    try (var frame = scratch.frame()) {
      Tensor memory = scratch.f32("attention parts", 1, attention.splitBytes() / 4);
      attention.split(HostBuffer.address(memory)).forEach(this::submit);
    }
  }

  /** Both forms are noted; the lengths of the step decide which of them runs. */
  @Override
  public void mlaPrefill(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    if (q.rows() < EXPAND_TOKENS) {
      mlaAbsorbed(q, cache, keyUp, valueUp, shape, batch, out);
      return;
    }
    either(
        new ExpandedAttention(
            kernels, natives, q, cache, keyUp, valueUp, shape, batch, Optional.empty(), out),
        List.of(),
        () -> mlaAbsorbed(q, cache, keyUp, valueUp, shape, batch, out));
  }

  /** Over all entries with bits for those that count, or over these, gathered. */
  @Override
  public void mlaChosen(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Selection chosen,
      Tensor out) {
    Runnable gathered =
        () ->
            mlaAbsorbed(q, chosen.entries(cache), keyUp, valueUp, shape, chosen.batch(batch), out);
    if (q.rows() < EXPAND_TOKENS) {
      gathered.run();
      return;
    }
    try (var frame = scratch.frame()) {
      Tensor memory = scratch.f32("chosen bits", 1, ChosenBits.bytes(shape, chosen) / 4);
      ChosenBits bits = new ChosenBits(cache, batch, shape, chosen, HostBuffer.address(memory));
      ExpandedAttention masked =
          new ExpandedAttention(
              kernels, natives, q, cache, keyUp, valueUp, shape, batch, Optional.of(bits), out);
      if (masked.isNative()) {
        either(masked, List.of(bits.op()), gathered);
      } else {
        gathered.run();
      }
    }
  }

  /**
   * The expanded form, where it pays, else the absorbed.
   *
   * @param before what the expanded form needs
   */
  private void either(ExpandedAttention expanded, List<Op> before, Runnable absorbed) {
    queue.reserve(expanded.laneBytes(), expanded.laneRows());
    Choice choice = new Choice(expanded);
    submit(choice);
    before.forEach(op -> submit(new When(op, choice, true)));
    submit(new When(expanded, choice, true));
    UnaryOperator<Op> outer = guard;
    guard = op -> outer.apply(new When(op, choice, false));
    try {
      absorbed.run();
    } finally {
      guard = outer;
    }
  }

  /** Looks at the lengths of the step; no work. */
  private static final class Choice extends Op {
    private final ExpandedAttention attention;
    private boolean expanded;

    Choice(ExpandedAttention attention) {
      this.attention = attention;
    }

    @Override
    int chunks() {
      expanded = attention.pays();
      return 0;
    }

    @Override
    void run(int chunk, Lane lane) {}
  }

  /** An op that runs under one outcome of a choice. */
  private static final class When extends Op {
    private final Op op;
    private final Choice choice;
    private final boolean outcome;

    When(Op op, Choice choice, boolean outcome) {
      this.op = op;
      this.choice = choice;
      this.outcome = outcome;
    }

    @Override
    int chunks() {
      return choice.expanded == outcome ? op.chunks() : 0;
    }

    @Override
    void run(int chunk, Lane lane) {
      op.run(chunk, lane);
    }
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
    queue.reserve(12L * rule.experts(), 0);
    submit(Experts.route(logits, bias, rule, batch, ids, weights));
  }

  @Override
  public void permute(Tensor ids, Dispatch out) {
    submit(Experts.permute(ids, out));
  }

  @Override
  public void groupedMatmul(
      Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    products.grouped(x, gather, w, dispatch, out);
  }

  @Override
  public void combine(
      Tensor y, Dispatch dispatch, Tensor weights, Optional<Tensor> base, Tensor out) {
    submit(Experts.combine(rowKernels, y, dispatch, weights, base, out));
  }

  @Override
  public void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      Dispatch dispatch,
      Tensor out) {
    products.expertFfn(x, gate, up, down, Float.POSITIVE_INFINITY, dispatch, out);
  }

  @Override
  public void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      float limit,
      Dispatch dispatch,
      Tensor out) {
    products.expertFfn(x, gate, up, down, limit, dispatch, out);
  }
}
