package dev.yuzui.backend.cpu;

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
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/** Turns each call into an {@link Op} with its addresses worked out. */
final class CpuOps implements Ops, DelegatingCompressedOps {
  /** Steps of fewer tokens take the absorbed form, whatever the lengths. */
  private static final int EXPAND_TOKENS = 16;

  /** Steps of more tokens have work enough without splitting a token's entries. */
  private static final int SPLIT_TOKENS = 16;

  /**
   * Steps of more rows multiply panels by F32 activations, if that is quicker than strips by those
   * of eight bits; shorter ones, which verify drafts, never do, for a row of theirs is to stay the
   * same whatever is beside it.
   */
  private static final int EXACT_TOKENS = CpuBackend.EXACT_TOKENS;

  /** Measured: an expert's rows up to which strips are quicker than panels. */
  private static final int FEW = 6;

  private final CpuQueue queue;
  private final CpuKernels kernels;
  private final RowKernels rowKernels;
  private final Optional<StripKernels> strips;
  private final Optional<NativeKernels> natives;
  private final CpuScratch scratch;
  private final int threads;
  private final CompressedOps compressed;

  /** What happens to an op before it is submitted: a condition, or nothing. */
  private UnaryOperator<Op> guard = op -> op;

  CpuOps(CpuQueue queue, KernelChoice kernels, CpuScratch scratch, int threads) {
    this.queue = queue;
    this.kernels = kernels.rows();
    this.strips = kernels.strips();
    this.natives = kernels.natives();
    this.rowKernels = kernels.rowKernels();
    this.scratch = scratch;
    this.threads = threads;
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
    product(x, 0, w, 1, out, 0);
  }

  @Override
  public void matmulPerHead(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    product(x, xOffset, w, heads, out, outOffset);
  }

  private void product(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    Optional<Packed> packed = HostBuffer.packed(w).filter(p -> StripsOp.takes(p, heads));
    Optional<Product> panels = packed.flatMap(p -> panels(p, x.rows()));
    if (packed.isPresent() && panels.isEmpty()) {
      strips(rowKernels, x, xOffset, packed.get(), Optional.empty(), heads, out, outOffset);
      return;
    }
    Product weight = panels.orElseGet(() -> rows(w));
    queue.reserve(weight.laneBytes(), Math.toIntExact(x.rows()));
    submit(new MatmulOp(x, xOffset, weight, heads, out, outOffset, threads));
  }

  private Product rows(Tensor w) {
    Matrix matrix = Matrix.of(w);
    return natives
        .filter(_ -> w.encoding().equals(Encoding.F32))
        .<Product>map(n -> new PlainProduct(n, matrix))
        .orElseGet(() -> new RowProduct(kernels, matrix));
  }

  /** Panels, if a step of so many rows is for them. */
  private Optional<Product> panels(Packed w, long rows) {
    return strips
        .flatMap(StripKernels::panels)
        .filter(_ -> rows > EXACT_TOKENS)
        .map(panels -> new PanelProduct(panels, w));
  }

  private void strips(
      RowKernels rowKernels,
      Tensor x,
      int xOffset,
      Packed w,
      Optional<Packed> up,
      int heads,
      Tensor out,
      int outOffset) {
    try (var frame = scratch.frame()) {
      PrepareOp.Prepared prepared = prepare(x, xOffset, heads, w);
      StripsOp op =
          new StripsOp(
              strips.orElseThrow(), rowKernels, w, up, prepared, heads, out, outOffset, threads);
      queue.reserve(op.laneBytes(), 0);
      submit(op);
    }
  }

  /** Rows of x for products with {@code w}, in scratch memory of the caller's frame. */
  private PrepareOp.Prepared prepare(Tensor x, int xOffset, int heads, Packed w) {
    StripKernels products = strips.orElseThrow();
    long rowBytes = Math.ceilDiv(products.preparedBytes(w.type(), w.cols()), 64) * 64L;
    long count = x.rows() * heads;
    Tensor memory = scratch.f32("prepared", count, rowBytes / 4);
    PrepareOp.Prepared to = new PrepareOp.Prepared(w.type(), HostBuffer.address(memory), rowBytes);
    long stride = 4 * x.cols();
    PrepareOp.Source from =
        new PrepareOp.Source(
            HostBuffer.address(x) + 4L * xOffset, stride, heads, stride / heads, w.cols());
    submit(new PrepareOp(products, from, Math.toIntExact(count), to));
    return to;
  }

  @Override
  public void gatedMlp(Tensor x, Tensor gate, Tensor up, Tensor out) {
    gatedMlp(rowKernels, x, gate, up, out);
  }

  @Override
  public void gatedMlp(Tensor x, Tensor gate, Tensor up, float limit, Tensor out) {
    gatedMlp(clamped(limit), x, gate, up, out);
  }

  private RowKernels clamped(float limit) {
    return limit == Float.POSITIVE_INFINITY ? rowKernels : new ClampedRowKernels(rowKernels, limit);
  }

  private void gatedMlp(RowKernels rowKernels, Tensor x, Tensor gate, Tensor up, Tensor out) {
    Optional<Packed> w = HostBuffer.packed(gate);
    Optional<Packed> other = HostBuffer.packed(up);
    Optional<Product> panels = w.flatMap(p -> panels(p, x.rows()));
    Optional<Product> others = other.flatMap(p -> panels(p, x.rows()));
    boolean alike = w.isPresent() && other.isPresent() && w.get().sharesActivations(other.get());
    if (alike && panels.isEmpty()) {
      strips(rowKernels, x, 0, w.get(), other, 1, out, 0);
      return;
    }
    Product first = panels.filter(_ -> others.isPresent()).orElseGet(() -> rows(gate));
    Product second = others.filter(_ -> panels.isPresent()).orElseGet(() -> rows(up));
    GatedOp op = new GatedOp(rowKernels, x, first, second, out, threads);
    queue.reserve(op.laneBytes(), Math.toIntExact(x.rows()));
    submit(op);
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
    Indexer indexer = new Indexer(kernels, q, weights, keys, shape, batch, out);
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
    ExpandedAttention expanded =
        new ExpandedAttention(kernels, natives, q, cache, keyUp, valueUp, shape, batch, out);
    queue.reserve(expanded.laneBytes(), expanded.laneRows());
    Choice choice = new Choice(expanded);
    submit(choice);
    submit(new When(expanded, choice, true));
    UnaryOperator<Op> outer = guard;
    guard = op -> outer.apply(new When(op, choice, false));
    try {
      mlaAbsorbed(q, cache, keyUp, valueUp, shape, batch, out);
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
    grouped(rowKernels, x, gather, w, Optional.empty(), dispatch, out);
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
    expertFfn(rowKernels, x, gate, up, down, dispatch, out);
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
    expertFfn(clamped(limit), x, gate, up, down, dispatch, out);
  }

  private void expertFfn(
      RowKernels rowKernels,
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      Dispatch dispatch,
      Tensor out) {
    try (var frame = scratch.frame()) {
      Tensor g = scratch.f32("expert_gate", dispatch.slots(), gate.rows());
      grouped(rowKernels, x, Gather.BY_TOKEN, gate, Optional.of(up), dispatch, g);
      grouped(rowKernels, g, Gather.IN_PLACE, down, Optional.empty(), dispatch, out);
    }
  }

  private void grouped(
      RowKernels rowKernels,
      Tensor x,
      Gather gather,
      ExpertWeights w,
      Optional<ExpertWeights> up,
      Dispatch dispatch,
      Tensor out) {
    List<Packed> gates = packed(w);
    List<Packed> ups = up.map(CpuOps::packed).orElse(List.of());
    boolean both =
        up.isEmpty() || !ups.isEmpty() && gates.getFirst().sharesActivations(ups.getFirst());
    if (gates.isEmpty() || !both) {
      ActiveExperts all = new ActiveExperts(dispatch);
      grouped(
          rowKernels, x, gather, rows(w), up.map(this::rows).orElse(List.of()), dispatch, all, out);
      return;
    }
    int tokens = dispatch.slots() / dispatch.used();
    List<Product> panels = gates.stream().flatMap(p -> panels(p, tokens).stream()).toList();
    List<Product> upPanels = ups.stream().flatMap(p -> panels(p, tokens).stream()).toList();
    int few = panels.isEmpty() ? Integer.MAX_VALUE : FEW;
    try (var frame = scratch.frame()) {
      PrepareOp.Prepared prepared = prepare(x, 0, 1, gates.getFirst());
      GroupedStripsOp op =
          new GroupedStripsOp(
              strips.orElseThrow(),
              rowKernels,
              gates,
              ups,
              prepared,
              gather,
              dispatch,
              new ActiveExperts(dispatch, 1, few),
              out,
              threads);
      queue.reserve(op.laneBytes(), 0);
      submit(op);
    }
    if (!panels.isEmpty()) {
      ActiveExperts busy = new ActiveExperts(dispatch, few + 1, Integer.MAX_VALUE);
      grouped(rowKernels, x, gather, panels, upPanels, dispatch, busy, out);
    }
  }

  private void grouped(
      RowKernels rowKernels,
      Tensor x,
      Gather gather,
      List<Product> w,
      List<Product> up,
      Dispatch dispatch,
      ActiveExperts experts,
      Tensor out) {
    GroupedOp op = new GroupedOp(rowKernels, x, gather, w, up, dispatch, experts, out, threads);
    queue.reserve(op.laneBytes(), dispatch.slots());
    submit(op);
  }

  private List<Product> rows(ExpertWeights w) {
    return w.experts().stream().map(this::rows).toList();
  }

  /** The strips of all experts, if all have some and prepare activations alike; else none. */
  private static List<Packed> packed(ExpertWeights w) {
    List<Packed> all = w.experts().stream().flatMap(e -> HostBuffer.packed(e).stream()).toList();
    boolean alike = all.size() == w.experts().size();
    return alike && all.stream().allMatch(all.getFirst()::sharesActivations) ? all : List.of();
  }
}
