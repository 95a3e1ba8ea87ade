package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Ops.Gather;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Products of rows and weights: which kernel, and how many work-groups. Few rows take matvec.cl,
 * bound by the bytes of the weights; many take gemm.cl, on devices with local memory of their own.
 */
final class Products {
  /** Rows that matvec multiplies by one read of the weights. */
  private static final int FEW = 8;

  /** Grouped slots up to which experts have few rows each. */
  private static final int FEW_SLOTS = 256;

  /** Edge of gemm's tiles. */
  private static final int TILE = 64;

  /** Columns of a unit, which a work-item takes at once. */
  private static final int UNIT = 32;

  /** Rows of weights that a team of matvec's takes at once. */
  private static final int PAIR = 2;

  /** Strips of rows that a work-item of a processor takes, to be worth a work-group. */
  private static final int STRIPS = 8;

  private final OpenClBackend backend;
  private final OpenClScratch scratch;
  private final Launch launch;
  private final ProductShapes shapes;
  private final int computeUnits;

  Products(OpenClBackend backend, OpenClScratch scratch, Launch launch, ProductShapes shapes) {
    this.backend = backend;
    this.scratch = scratch;
    this.launch = launch;
    this.shapes = shapes;
    this.computeUnits = backend.cl().device().computeUnits();
  }

  // ---- what ops ask for -------------------------------------------------------------------------

  /** out[t, h, outOffset + n] = Σk x[t, h, xOffset + k]·w[h·n' + n, k]; one head is a matmul. */
  void dense(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    if (x.rows() <= FEW || shapes.wide()) {
      matvec(x, xOffset, w, Optional.empty(), heads, out, outOffset);
    } else {
      gemm(x, xOffset, w, heads, out, outOffset);
    }
  }

  /** out = silu(x·gateᵀ)·(x·upᵀ) */
  void gated(Tensor x, Tensor gate, Tensor up, Tensor out) {
    if ((x.rows() <= FEW || shapes.wide()) && gate.encoding().equals(up.encoding())) {
      matvec(x, 0, gate, Optional.of(up), 1, out, 0);
      return;
    }
    try (var frame = scratch.frame()) {
      Tensor other = scratch.f32("mlp_up", out.rows(), out.cols());
      dense(x, 0, gate, 1, out, 0);
      dense(x, 0, up, 1, other, 0);
      siluMul(out, other, out);
    }
  }

  void grouped(Tensor x, Gather gather, ExpertWeights w, Dispatch dispatch, Tensor out) {
    if (dispatch.slots() <= FEW_SLOTS || shapes.wide()) {
      matvecGrouped(x, gather, w, Optional.empty(), dispatch, out);
    } else {
      gemmGrouped(x, gather, w, dispatch, out);
    }
  }

  /** out[i] = silu(x·gate[e]ᵀ)·(x·up[e]ᵀ) for each sorted place i of expert e, rows by token. */
  void groupedGated(Tensor x, ExpertWeights gate, ExpertWeights up, Dispatch dispatch, Tensor out) {
    if ((dispatch.slots() <= FEW_SLOTS || shapes.wide()) && gate.encoding().equals(up.encoding())) {
      matvecGrouped(x, Gather.BY_TOKEN, gate, Optional.of(up), dispatch, out);
      return;
    }
    try (var frame = scratch.frame()) {
      Tensor other = scratch.f32("expert_up", out.rows(), out.cols());
      grouped(x, Gather.BY_TOKEN, gate, dispatch, out);
      grouped(x, Gather.BY_TOKEN, up, dispatch, other);
      siluMul(out, other, out);
    }
  }

  private void siluMul(Tensor gate, Tensor up, Tensor out) {
    long n = out.rows() * out.cols();
    int local = Math.min(256, backend.cl().device().workGroup());
    launch
        .of(backend.programs().kernel("rows", "silu_mul"))
        .local(local)
        .groups(Math.ceilDiv(n, (long) local))
        .p(gate)
        .p(up)
        .p(out)
        .l(n)
        .run();
  }

  // ---- matvec: few rows -------------------------------------------------------------------------

  /**
   * How matvec's work is cut.
   *
   * @param tokens rows of x that meet each weight read
   * @param sets teams of {@code lanes} work-items in a group
   * @param strips that a team takes one after the other
   * @param groups that share the rows of the weights
   */
  private record Cut(int tokens, int lanes, int sets, int strips, long groups) {}

  /**
   * @param results rows of the result, which a team has one or two of at a time
   * @param others groups beside those that share the rows of the weights
   */
  private Cut cut(long rowsAtOnce, long results, long k, boolean gated, long others) {
    int tokens = (int) Math.min(FEW, Long.highestOneBit(Math.max(1, 2 * rowsAtOnce - 1)));
    long teams = gated ? results : Math.ceilDiv(results, (long) PAIR);
    if (shapes.wide()) {
      long wanted = 4L * computeUnits;
      int strips = (int) Math.clamp(teams * others / wanted, 1, STRIPS);
      return new Cut(tokens, 1, 1, strips, Math.ceilDiv(teams, (long) strips));
    }
    long units = Math.ceilDiv(k, (long) UNIT);
    int lanes = (int) Math.min(shapes.lanes(), Long.highestOneBit(units));
    int sets = Math.max(1, shapes.items() / lanes);
    return new Cut(tokens, lanes, sets, 1, Math.ceilDiv(teams, (long) sets));
  }

  private Launch begin(String kernel, Tensor w, Cut cut) {
    String encoding = "WEIGHTS=" + Layout.suffix(w.encoding());
    String name = kernel + "_" + cut.tokens();
    var programs = backend.programs();
    return launch
        .of(
            shapes.wide()
                ? programs.kernel("matvec", name, encoding, "WIDE=1")
                : programs.kernel("matvec", name, encoding))
        .local(1, cut.lanes(), cut.sets());
  }

  private void matvec(
      Tensor x, int xOffset, Tensor w, Optional<Tensor> w2, int heads, Tensor out, int outOffset) {
    long n = w.rows() / heads;
    long tiles = Math.ceilDiv(x.rows(), (long) FEW);
    Cut cut = cut(Math.min(x.rows(), FEW), n, w.cols(), w2.isPresent(), tiles * heads);
    begin("matvec", w, cut)
        .groups(Math.ceilDiv(x.rows(), (long) cut.tokens()), cut.groups(), heads)
        .p(w)
        .p(w2)
        .l(Layout.scalesAt(w.rows(), w.cols()))
        .l(w.encoding().rowBytes(w.cols()))
        .i(w2.isPresent());
    rows(x, xOffset, heads);
    rows(out, outOffset, heads);
    launch.i(x.rows()).i(n).i(w.cols()).i(cut.strips()).run();
  }

  private void rows(Tensor t, int offset, int heads) {
    launch.p(t).i(t.cols()).i(t.cols() / heads).i(offset);
  }

  private void matvecGrouped(
      Tensor x,
      Gather gather,
      ExpertWeights w,
      Optional<ExpertWeights> w2,
      Dispatch d,
      Tensor out) {
    ExpertPlaces places = backend.places(w);
    Optional<ExpertPlaces> places2 = w2.map(backend::places);
    long each = Math.min(FEW, Math.ceilDiv(d.slots(), d.experts()));
    Cut cut = cut(each, w.rows(), w.cols(), w2.isPresent(), Math.ceilDiv(d.slots(), each));
    begin("matvec_grouped", places.first(), cut)
        .groups(tiles(d, cut.tokens()), cut.groups())
        .p(places.first())
        .p(places2.map(ExpertPlaces::first))
        .l(places.stride())
        .l(places2.map(ExpertPlaces::stride).orElse(0L))
        .l(Layout.scalesAt(w.rows(), w.cols()))
        .l(w.encoding().rowBytes(w.cols()))
        .i(w2.isPresent())
        .p(x)
        .p(out)
        .i(w.rows())
        .i(w.cols())
        .i(cut.strips());
    grouping(d, gather);
  }

  /** Tiles of {@code size} places that no dispatch needs more of. */
  private static long tiles(Dispatch d, int size) {
    return Math.min(d.slots(), d.slots() / size + d.experts());
  }

  private void grouping(Dispatch d, Gather gather) {
    launch.p(d.offset()).p(d.slot()).i(d.experts()).i(d.used()).i(gather.ordinal()).run();
  }

  // ---- gemm: many rows --------------------------------------------------------------------------

  private Launch begin(String kernel, Tensor w) {
    return launch
        .of(backend.programs().kernel("gemm", kernel, "WEIGHTS=" + Layout.suffix(w.encoding())))
        .local(ProductShapes.ITEMS);
  }

  private void gemm(Tensor x, int xOffset, Tensor w, int heads, Tensor out, int outOffset) {
    long n = w.rows() / heads;
    begin("gemm", w)
        .groups(Math.ceilDiv(x.rows(), (long) TILE), Math.ceilDiv(n, (long) TILE), heads)
        .p(w)
        .l(Layout.scalesAt(w.rows(), w.cols()))
        .l(w.encoding().rowBytes(w.cols()));
    rows(x, xOffset, heads);
    rows(out, outOffset, heads);
    launch.i(x.rows()).i(n).i(w.cols()).run();
  }

  private void gemmGrouped(Tensor x, Gather gather, ExpertWeights w, Dispatch d, Tensor out) {
    ExpertPlaces places = backend.places(w);
    begin("gemm_grouped", places.first())
        .groups(tiles(d, TILE), Math.ceilDiv(w.rows(), (long) TILE))
        .p(places.first())
        .l(places.stride())
        .l(Layout.scalesAt(w.rows(), w.cols()))
        .l(w.encoding().rowBytes(w.cols()))
        .p(x)
        .p(out)
        .i(w.rows())
        .i(w.cols());
    grouping(d, gather);
  }
}
