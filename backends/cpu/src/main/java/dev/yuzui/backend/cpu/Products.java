package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Ops.Gather;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** Products with weights, each by what is quickest for them and for the step's rows. */
final class Products {
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
  private final Consumer<Op> ops;

  /**
   * @param ops takes what is to run
   */
  Products(
      CpuQueue queue, KernelChoice kernels, CpuScratch scratch, int threads, Consumer<Op> ops) {
    this.queue = queue;
    this.kernels = kernels.rows();
    this.rowKernels = kernels.rowKernels();
    this.strips = kernels.strips();
    this.natives = kernels.natives();
    this.scratch = scratch;
    this.threads = threads;
    this.ops = ops;
  }

  void matmul(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    Optional<Packed> packed = HostBuffer.packed(w).filter(p -> StripsOp.takes(p, heads));
    Optional<Product> panels = packed.flatMap(p -> panels(p, x.rows()));
    if (packed.isPresent() && panels.isEmpty()) {
      strips(rowKernels, x, xOffset, packed.get(), Optional.empty(), heads, out, outOffset);
      return;
    }
    Product weight = panels.orElseGet(() -> rows(w));
    queue.reserve(weight.laneBytes(), Math.toIntExact(x.rows()));
    ops.accept(new MatmulOp(x, xOffset, weight, heads, out, outOffset, threads));
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
      ops.accept(op);
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
    ops.accept(new PrepareOp(products, from, Math.toIntExact(count), to));
    return to;
  }

  private RowKernels clamped(float limit) {
    return limit == Float.POSITIVE_INFINITY ? rowKernels : new ClampedRowKernels(rowKernels, limit);
  }

  void gatedMlp(Tensor x, Tensor gate, Tensor up, float limit, Tensor out) {
    RowKernels clamped = clamped(limit);
    Optional<Packed> w = HostBuffer.packed(gate);
    Optional<Packed> other = HostBuffer.packed(up);
    Optional<Product> panels = w.flatMap(p -> panels(p, x.rows()));
    Optional<Product> others = other.flatMap(p -> panels(p, x.rows()));
    boolean alike = w.isPresent() && other.isPresent() && w.get().sharesActivations(other.get());
    if (alike && panels.isEmpty()) {
      strips(clamped, x, 0, w.get(), other, 1, out, 0);
      return;
    }
    Product first = panels.filter(_ -> others.isPresent()).orElseGet(() -> rows(gate));
    Product second = others.filter(_ -> panels.isPresent()).orElseGet(() -> rows(up));
    GatedOp op = new GatedOp(clamped, x, first, second, out, threads);
    queue.reserve(op.laneBytes(), Math.toIntExact(x.rows()));
    ops.accept(op);
  }

  // ---- experts ----------------------------------------------------------------------------------

  void grouped(Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    grouped(rowKernels, x, gather, w, Optional.empty(), dispatch, out);
  }

  void expertFfn(
      Tensor x,
      ExpertWeights gate,
      ExpertWeights up,
      ExpertWeights down,
      float limit,
      Dispatch dispatch,
      Tensor out) {
    try (var frame = scratch.frame()) {
      Tensor g = scratch.f32("expert_gate", dispatch.slots(), gate.rows());
      grouped(clamped(limit), x, Gather.BY_TOKEN, gate, Optional.of(up), dispatch, g);
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
    List<Packed> ups = up.map(Products::packed).orElse(List.of());
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
      ops.accept(op);
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
    ops.accept(op);
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
