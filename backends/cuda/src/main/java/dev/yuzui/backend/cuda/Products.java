package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Ops.Gather;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Products with weights: which kernel, how its work is cut. Few rows take {@code matvec}, which is
 * bound by the bytes of the weights; many take {@code gemm} on the tensor cores; what neither can
 * do, {@code matmul} does. {@link Wgmma} is before {@code gemm} where there is one.
 */
final class Products {
  /** Rows that matvec multiplies by one read of the weights. */
  private static final int FEW = 8;

  /** Rows of a tile of a product of many rows in F32. */
  private static final long SIDE = 64;

  /** Grouped slots up to which experts have few rows each. */
  private static final int FEW_SLOTS = 512;

  private static final int MOST_SPLITS = 16;
  private static final int THREADS = 256;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;
  private final CudaDevice device;
  private final Wgmma wgmma;

  Products(CudaBackend backend, CudaQueue queue, CudaScratch scratch, Launch launch) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
    this.device = backend.cu().device();
    this.wgmma = new Wgmma(backend, queue, scratch, launch);
  }

  /**
   * Where rows of floats lie: row t, head h, number i is at t·stride + h·headStride + offset + i.
   */
  record Rows(long address, long stride, long headStride, int offset) {}

  private Rows rows(Tensor t, int offset, int heads) {
    return new Rows(CudaBuffer.address(t, backend.cu()), t.cols(), t.cols() / heads, offset);
  }

  private Weight weight(Tensor w, int heads) {
    return new Weight(
        CudaBuffer.address(w, backend.cu()), w.encoding(), w.rows() / heads, w.cols(), heads, 0);
  }

  private Weight weight(ExpertWeights w) {
    return new Weight(backend.expertTable(w), w.encoding(), w.rows(), w.cols(), 1, w.count());
  }

  private Groups groups(Dispatch d, Gather gather) {
    return new Groups(
        CudaBuffer.address(d.offset(), backend.cu()),
        CudaBuffer.address(d.slot(), backend.cu()),
        d.slots(),
        d.used(),
        gather);
  }

  // ---- what ops ask for -------------------------------------------------------------------------

  void dense(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    denseUnless(x, xOffset, w, heads, out, outOffset, 0);
  }

  /**
   * @param unless address of an int, or 0; if the int is 0, {@code out} is not wanted
   */
  void denseUnless(
      Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset, long unless) {
    product(
        rows(x, xOffset, heads),
        x.rows(),
        weight(w, heads),
        Groups.NONE,
        rows(out, outOffset, heads),
        unless);
  }

  /** {@link #dense} in F32, however many rows: near ties between experts are decided by it. */
  void exact(Tensor x, Tensor w, Tensor out) {
    Weight weight = weight(w, 1);
    if (weight.tiled() && x.rows() <= FEW) {
      dense(x, 0, w, 1, out, 0);
    } else if (w.encoding().equals(Encoding.F32) && x.rows() > FEW) {
      tiled(rows(x, 0, 1), x.rows(), weight, rows(out, 0, 1));
    } else {
      matmul(rows(x, 0, 1), x.rows(), weight, Groups.NONE, rows(out, 0, 1));
    }
  }

  /** Whether {@link #inHalves} can multiply by {@code w}. */
  boolean takesHalves(Tensor w) {
    return weight(w, 1).tiled();
  }

  /** x·wᵀ in F16, [rows of x, rows of w], at address {@code out}. */
  void inHalves(Halves x, Tensor w, long out) {
    inHalves(x, weight(w, 1), out);
  }

  /** The same with F16 tiles of [n, k] at address {@code tiles}. */
  void inHalves(Halves x, long tiles, long n, long k, long out) {
    inHalves(x, new Weight(tiles, Encoding.F16, n, k, 1, 0), out);
  }

  private void inHalves(Halves x, Weight w, long out) {
    gemm(x, x.rows(), w, Groups.NONE, new Rows(out, w.n(), w.n(), 0), true, 0);
  }

  void gated(Tensor x, Tensor gate, Tensor up, Tensor out) {
    gated(
        rows(x, 0, 1), x.rows(), weight(gate, 1), weight(up, 1), Groups.NONE, out, x.rows() <= FEW);
  }

  void grouped(Tensor x, Gather gather, ExpertWeights w, Dispatch d, Tensor out) {
    product(rows(x, 0, 1), x.rows(), weight(w), groups(d, gather), rows(out, 0, 1), 0);
  }

  /** out = silu(gate x)·(up x) of each sorted place, x by token. */
  void groupedGated(Tensor x, ExpertWeights gate, ExpertWeights up, Dispatch d, Tensor out) {
    gated(
        rows(x, 0, 1),
        x.rows(),
        weight(gate),
        weight(up),
        groups(d, Gather.BY_TOKEN),
        out,
        d.slots() <= FEW_SLOTS);
  }

  private void gated(
      Rows x, long tokens, Weight gate, Weight up, Groups groups, Tensor out, boolean few) {
    Rows to = rows(out, 0, 1);
    if (few && gate.tiled() && gate.encoding().equals(up.encoding())) {
      matvec(x, tokens, gate, Optional.of(up), groups, to);
      return;
    }
    try (var frame = scratch.frame()) {
      Tensor other = scratch.f32("up", out.rows(), out.cols());
      product(x, tokens, gate, groups, to, 0);
      product(x, tokens, up, groups, rows(other, 0, 1), 0);
      siluMul(out, other, out);
    }
  }

  void siluMul(Tensor gate, Tensor up, Tensor out) {
    long n = out.rows() * out.cols();
    begin("silu_mul").grid(Math.ceilDiv(n, 1024L)).block(THREADS).p(gate).p(up).p(out).l(n).run();
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel));
  }

  private void product(Rows x, long tokens, Weight w, Groups groups, Rows out, long unless) {
    if (w.encoding().equals(Encoding.F32) && groups.dense() && w.heads() == 1 && tokens > FEW) {
      tiled(x, tokens, w, out);
    } else if (!w.tiled()) {
      matmul(x, tokens, w, groups, out);
    } else if (groups.dense() ? tokens <= FEW : groups.slots() <= FEW_SLOTS) {
      matvec(x, tokens, w, Optional.empty(), groups, out);
    } else if (wgmma.takes(tokens, w, groups)) {
      wgmma.product(x, tokens, w, groups, out, unless);
    } else {
      try (var frame = scratch.frame()) {
        Halves halves = halves(x, tokens, w.k(), w.heads());
        gemm(halves, tokens, w, groups, out, false, unless);
      }
    }
  }

  // ---- matmul: any shape ------------------------------------------------------------------------

  private void matmul(Rows x, long tokens, Weight w, Groups groups, Rows out) {
    begin(w.kernel("matmul"))
        .grid(
            Math.ceilDiv(w.n(), 8L) * w.heads(),
            groups.tiles(tokens, few(groups.tokens(tokens)), w.experts()))
        .block(THREADS);
    weights(w, groups);
    from(x);
    to(out, groups.tokens(tokens), w);
    grouping(w, groups);
    launch.run();
  }

  /** Rows of a tile of a product of few rows. */
  private static long few(long tokens) {
    return Math.min(tokens, FEW);
  }

  /** Many rows by F32 weights, in F32: the router of a prompt. */
  private void tiled(Rows x, long tokens, Weight w, Rows out) {
    long gridX = Math.ceilDiv(w.n(), SIDE);
    long gridY = Math.ceilDiv(tokens, SIDE);
    int splits = splits(gridX, gridY, w.k());
    try (var frame = scratch.frame()) {
      long partial =
          splits == 1 ? 0 : scratch.bytes("parts of a product", 4L * splits * tokens * w.n());
      begin("matmul_f32_tiled")
          .grid(gridX, gridY, splits)
          .block(128)
          .p(w.w())
          .p(x.address() + 4L * x.offset())
          .i(x.stride())
          .p(out.address() + 4L * out.offset())
          .i(out.stride())
          .i(tokens)
          .i(w.n())
          .i(w.k())
          .p(partial)
          .p(queue.counters())
          .i(splits)
          .run();
    }
  }

  private void weights(Weight w, Groups groups) {
    launch.p(groups.dense() ? w.w() : 0).p(groups.dense() ? 0 : w.w());
  }

  private void from(Rows x) {
    launch.p(x.address()).i(x.stride()).i(x.headStride()).i(x.offset());
  }

  private void to(Rows out, long tokens, Weight w) {
    launch.p(out.address());
    shape(out, tokens, w);
  }

  private void shape(Rows out, long tokens, Weight w) {
    launch
        .i(out.stride())
        .i(out.headStride())
        .i(out.offset())
        .i(tokens)
        .i(w.n())
        .i(w.k())
        .i(w.heads());
  }

  private void grouping(Weight w, Groups groups) {
    launch
        .p(groups.offset())
        .p(groups.slot())
        .i(groups.used())
        .i(groups.gather().ordinal())
        .i(w.experts());
  }

  // ---- matvec: few rows -------------------------------------------------------------------------

  /**
   * How matvec's work is cut.
   *
   * @param strips of 16 rows a block
   * @param splits blocks that share the columns
   */
  private record Cut(int strips, int splits, long gridX, long gridZ, long shared) {}

  private void matvec(
      Rows x, long tokens, Weight w, Optional<Weight> second, Groups groups, Rows out) {
    long rows = groups.dense() ? tokens : groups.slots();
    Cut cut = cut(w, groups, tokens);
    int matrices = second.isPresent() ? 2 : 1;
    try (var frame = scratch.frame()) {
      long partial =
          cut.splits() == 1
              ? 0
              : scratch.bytes(
                  "parts of a product", 4L * cut.splits() * rows * w.heads() * w.n() * matrices);
      begin(w.kernel("matvec"))
          .grid(cut.gridX(), cut.splits(), cut.gridZ())
          .block(THREADS)
          .shared(cut.shared());
      long other = second.map(Weight::w).orElse(0L);
      if (groups.dense()) {
        launch.p(w.w()).p(other).p(0).p(0);
      } else {
        launch.p(0).p(0).p(w.w()).p(other);
      }
      from(x);
      to(out, groups.tokens(tokens), w);
      grouping(w, groups);
      launch.p(partial).p(queue.counters()).i(cut.splits()).i(cut.strips()).run();
    }
  }

  /**
   * As many strips a block as leave two blocks for each multiprocessor; the columns are split where
   * even single strips are too few, or a block's share of x does not fit on chip.
   */
  private Cut cut(Weight w, Groups groups, long rows) {
    long tokens = few(groups.tokens(rows));
    long gridZ = groups.tiles(rows, tokens, w.experts());
    long wanted = 2L * device.multiprocessors();
    long perHead = Math.ceilDiv(w.n(), (long) Tiles.ROWS);
    int strips = 8;
    while (strips > 1 && Math.ceilDiv(perHead, (long) strips) * w.heads() * gridZ < wanted) {
      strips /= 2;
    }
    long gridX = Math.ceilDiv(perHead, (long) strips) * w.heads();
    int chunk = OnChip.chunk(w.encoding());
    long chunks = Math.ceilDiv(Math.ceilDiv(w.k(), 32L), (long) chunk);
    int most = (int) Math.min(MOST_SPLITS, chunks);
    int splits =
        (int) Math.clamp(wanted / (gridX * gridZ), 1, Math.max(1, Math.min(most, chunks / 8)));
    long allowed = Math.min(96 << 10, device.sharedBytes() - 1024 - OnChip.grid(w.encoding()));
    while (splits < most && OnChip.matvec(tokens, chunk, chunks, splits) > allowed) {
      splits++;
    }
    if (gridX * gridZ > CudaQueue.COUNTERS) {
      splits = 1;
    }
    return new Cut(strips, splits, gridX, gridZ, OnChip.matvec(tokens, chunk, chunks, splits));
  }

  // ---- gemm: many rows --------------------------------------------------------------------------

  /** Activations in F16 under a power of two a row, in the kernels' order. */
  record Halves(long values, long scales, long rows) {}

  /** Bytes a row of {@link Halves} takes. */
  static long halfRow(long k) {
    return 2 * 32 * Math.ceilDiv(k, 32L);
  }

  private Halves halves(Rows x, long tokens, long k, int heads) {
    Halves halves =
        new Halves(
            scratch.bytes("x in F16", heads * tokens * halfRow(k)),
            scratch.bytes("scales of x", 4 * heads * tokens),
            tokens);
    begin("to_half").grid(tokens, heads).block(THREADS);
    from(x);
    launch.i(k).i(heads).i(tokens).p(halves.values()).p(halves.scales()).run();
    return halves;
  }

  /**
   * out = x·wᵀ per head.
   *
   * @param half gives F16
   * @param unless address of an int, or 0; the product is left out if the int is 0
   */
  private void gemm(
      Halves x, long tokens, Weight w, Groups groups, Rows out, boolean half, long unless) {
    boolean large = groups.many(tokens, w);
    int rows = large && !OnChip.narrow(w.encoding()) ? 128 : 64;
    int columns = large ? 128 : 64;
    long gridX = Math.ceilDiv(w.n(), (long) rows) * w.heads();
    long gridY = groups.tiles(tokens, columns, w.experts());
    long total = groups.dense() ? tokens : groups.slots();
    int splits = large ? 1 : splits(gridX, gridY, w.k());
    boolean copied = !large && device.capability() >= CudaDevice.ASYNC_COPIES;
    try (var frame = scratch.frame()) {
      long partial =
          splits == 1
              ? 0
              : scratch.bytes("parts of a product", 4L * splits * total * w.heads() * w.n());
      begin(w.kernel("gemm") + (large ? "_large" : "_small"))
          .grid(gridX, gridY, splits)
          .block(128)
          .shared(OnChip.gemm(w.encoding(), rows, columns, copied));
      weights(w, groups);
      launch.p(x.values()).p(x.scales()).i(x.rows()).p(out.address()).i(half);
      shape(out, groups.tokens(tokens), w);
      grouping(w, groups);
      launch.p(unless).p(partial).p(queue.counters()).i(splits).run();
    }
  }

  /** Blocks that share the columns: where tiles alone leave multiprocessors idle. */
  private int splits(long gridX, long gridY, long k) {
    if (gridX * gridY > CudaQueue.COUNTERS) {
      return 1;
    }
    long wanted = 2L * device.multiprocessors() / (gridX * gridY);
    return Math.clamp(wanted, 1, Math.clamp(k / 256, 1, MOST_SPLITS));
  }
}
