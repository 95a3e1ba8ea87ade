package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.Ops.Gather;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

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
    dense(x, xOffset, w, heads, out, outOffset, Optional.empty());
  }

  /**
   * @param unless a flag: nothing is done if it is 0
   */
  void dense(
      Tensor x,
      int xOffset,
      Tensor w,
      int heads,
      Tensor out,
      int outOffset,
      Optional<Tensor> unless) {
    if (x.rows() <= FEW || shapes.wide()) {
      matvec(x, xOffset, w, Optional.empty(), heads, out, outOffset, unless);
    } else {
      gemm(x, xOffset, w, heads, out, outOffset, unless);
    }
  }

  /** out = silu(x·gateᵀ)·(x·upᵀ) */
  void gated(Tensor x, Tensor gate, Tensor up, Tensor out) {
    if ((x.rows() <= FEW || shapes.wide()) && gate.encoding().equals(up.encoding())) {
      matvec(x, 0, gate, Optional.of(up), 1, out, 0, Optional.empty());
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
   * @param subgroups whether a team is a sub-group
   * @param sets teams of {@code lanes} work-items in a group
   * @param strips that a team takes one after the other
   * @param groups that share the rows of the weights
   */
  private record Cut(int tokens, boolean subgroups, int lanes, int sets, int strips, long groups) {}

  /**
   * @param results rows of the result, which a team has one or two of at a time
   * @param others groups beside those that share the rows of the weights
   */
  private Cut cut(long rowsAtOnce, long results, long k, boolean gated, long others) {
    int tokens = (int) Math.min(FEW, Long.highestOneBit(Math.max(1, 2 * rowsAtOnce - 1)));
    long teams = gated ? results : Math.ceilDiv(results, (long) PAIR);
    if (shapes.wide()) {
      long wanted = 4L * computeUnits;
      int strips = Math.clamp(teams * others / wanted, 1, STRIPS);
      return new Cut(tokens, false, 1, 1, strips, Math.ceilDiv(teams, (long) strips));
    }
    long units = Math.ceilDiv(k, (long) UNIT);
    int lanes = (int) Math.min(shapes.lanes(), Long.highestOneBit(units));
    int sets = Math.max(1, shapes.items() / lanes);
    boolean subgroups = shapes.subgroups() && lanes == shapes.lanes();
    return new Cut(tokens, subgroups, lanes, sets, 1, Math.ceilDiv(teams, (long) sets));
  }

  private String[] macros(Encoding weights, Cut cut, boolean rounded) {
    return Stream.of(
            "WEIGHTS=" + Layout.suffix(weights),
            shapes.wide() ? "WIDE=1" : "",
            cut.subgroups() ? "TEAMS=1" : "",
            rounded ? "DOT=1" : "")
        .filter(m -> !m.isEmpty())
        .toArray(String[]::new);
  }

  private Launch begin(String kernel, Cut cut, String[] macros) {
    return launch
        .of(backend.programs().kernel("matvec", kernel + "_" + cut.tokens(), macros))
        .local(1, cut.lanes(), cut.sets());
  }

  /** Whether the product takes rounded rows. */
  private boolean rounds(Encoding weights, Cut cut) {
    return shapes.dots(weights) && backend.programs().builds("matvec", macros(weights, cut, true));
  }

  /** Rows of x in eight bits, see matvec.cl: [T, heads, k / 32] blocks of twelve floats' size. */
  private Tensor rounded(Tensor x, int xOffset, int heads, long k, String[] macros) {
    long blocks = k / UNIT;
    Tensor to = scratch.f32("rounded rows", x.rows(), heads * blocks * 12);
    int local = Math.min(64, backend.cl().device().workGroup());
    launch
        .of(backend.programs().kernel("matvec", "eight_bits", macros))
        .local(local)
        .groups(Math.ceilDiv(heads * blocks, (long) local), x.rows());
    rows(x, xOffset, heads);
    launch.i(heads).i(blocks).p(to).run();
    return to;
  }

  private void matvec(
      Tensor x,
      int xOffset,
      Tensor w,
      Optional<Tensor> w2,
      int heads,
      Tensor out,
      int outOffset,
      Optional<Tensor> unless) {
    long n = w.rows() / heads;
    long tiles = Math.ceilDiv(x.rows(), (long) FEW);
    Cut cut = cut(Math.min(x.rows(), FEW), n, w.cols(), w2.isPresent(), tiles * heads);
    boolean rounds = rounds(w.encoding(), cut);
    String[] macros = macros(w.encoding(), cut, rounds);
    try (var frame = scratch.frame()) {
      Tensor from = rounds ? rounded(x, xOffset, heads, w.cols(), macros) : x;
      begin("matvec", cut, macros)
          .groups(Math.ceilDiv(x.rows(), (long) cut.tokens()), cut.groups(), heads)
          .p(w)
          .p(w2)
          .l(Layout.scalesAt(w.rows(), w.cols()))
          .l(w.encoding().rowBytes(w.cols()))
          .i(w2.isPresent());
      if (rounds) {
        launch.p(from).i(4 * from.cols()).i(4 * from.cols() / heads).i(0);
      } else {
        rows(x, xOffset, heads);
      }
      rows(out, outOffset, heads);
      launch.i(x.rows()).i(n).i(w.cols()).i(cut.strips()).p(unless).run();
    }
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
    List<ExpertPlaces.Part> parts = backend.places(w).parts();
    Optional<List<ExpertPlaces.Part>> parts2 = w2.map(e -> backend.places(e).parts());
    long each = Math.min(FEW, Math.ceilDiv(d.slots(), d.experts()));
    Cut cut = cut(each, w.rows(), w.cols(), w2.isPresent(), Math.ceilDiv(d.slots(), each));
    boolean rounds = rounds(w.encoding(), cut);
    String[] macros = macros(w.encoding(), cut, rounds);
    try (var frame = scratch.frame()) {
      Tensor from = rounds ? rounded(x, 0, 1, w.cols(), macros) : x;
      for (int i = 0; i < parts.size(); i++) {
        ExpertPlaces.Part part = parts.get(i);
        int index = i;
        Optional<ExpertPlaces.Part> part2 = parts2.map(p -> p.get(index));
        begin("matvec_grouped", cut, macros)
            .groups(tiles(d, part, cut.tokens()), cut.groups())
            .p(part.first())
            .p(part2.map(ExpertPlaces.Part::first))
            .l(part.stride())
            .l(part2.map(ExpertPlaces.Part::stride).orElse(0L))
            .l(Layout.scalesAt(w.rows(), w.cols()))
            .l(w.encoding().rowBytes(w.cols()))
            .i(w2.isPresent())
            .p(from)
            .p(out)
            .i(w.rows())
            .i(w.cols())
            .i(cut.strips());
        grouping(d, part, gather);
      }
    }
  }

  /** Tiles of {@code size} places that groups.clh gives the experts of a part. */
  private static long tiles(Dispatch d, ExpertPlaces.Part part, int size) {
    return (d.slots() + (size - 1L) * Math.min(part.count(), d.slots())) / size;
  }

  private void grouping(Dispatch d, ExpertPlaces.Part part, Gather gather) {
    Tensor all = d.offset();
    Tensor offset =
        new Tensor(
            all.name(),
            all.buffer(),
            all.byteOffset() + 4L * part.from(),
            all.encoding(),
            1,
            part.count() + 1L);
    launch.p(offset).p(d.slot()).i(part.count()).i(d.used()).i(gather.ordinal()).run();
  }

  // ---- gemm: many rows --------------------------------------------------------------------------

  /**
   * Rows of x as gemm takes them.
   *
   * @param scales of rows of halves
   */
  private record Rows(Tensor x, Optional<Tensor> scales) {}

  private String[] macros(Encoding weights) {
    String encoding = "WEIGHTS=" + Layout.suffix(weights);
    String[] halves = {encoding, "HALVES=1"};
    return shapes.halves(weights) && backend.programs().builds("gemm", halves)
        ? halves
        : new String[] {encoding};
  }

  private Launch begin(String kernel, String[] macros) {
    return launch.of(backend.programs().kernel("gemm", kernel, macros)).local(ProductShapes.ITEMS);
  }

  /** As they are, or as halves, two in a float's place: [T, heads, k] without gaps. */
  private Rows gemmRows(Tensor x, int xOffset, int heads, long k, String[] macros) {
    if (macros.length == 1) {
      return new Rows(x, Optional.empty());
    }
    long rows = x.rows();
    Tensor halves = scratch.f32("rows in halves", 1, Math.ceilDiv(rows * heads * k, 2L));
    Tensor scales = scratch.f32("scales of rows", rows, heads);
    int local = backend.cl().device().rowGroup();
    launch
        .of(backend.programs().kernel("gemm", "half_rows", macros))
        .local(local)
        .groups(heads, rows);
    rows(x, xOffset, heads);
    launch.i(k).p(halves).p(scales).shared(4L * local).run();
    return new Rows(halves, Optional.of(scales));
  }

  private void gemm(
      Tensor x,
      int xOffset,
      Tensor w,
      int heads,
      Tensor out,
      int outOffset,
      Optional<Tensor> unless) {
    long n = w.rows() / heads;
    String[] macros = macros(w.encoding());
    try (var frame = scratch.frame()) {
      Rows from = gemmRows(x, xOffset, heads, w.cols(), macros);
      begin("gemm", macros)
          .groups(Math.ceilDiv(x.rows(), (long) TILE), Math.ceilDiv(n, (long) TILE), heads)
          .p(w)
          .l(Layout.scalesAt(w.rows(), w.cols()))
          .l(w.encoding().rowBytes(w.cols()));
      if (from.scales().isPresent()) {
        launch.p(from.x()).i(heads * w.cols()).i(w.cols()).i(0);
      } else {
        rows(x, xOffset, heads);
      }
      launch.p(from.scales());
      rows(out, outOffset, heads);
      launch.i(x.rows()).i(n).i(w.cols()).p(unless).run();
    }
  }

  private void gemmGrouped(Tensor x, Gather gather, ExpertWeights w, Dispatch d, Tensor out) {
    String[] macros = macros(w.encoding());
    try (var frame = scratch.frame()) {
      Rows from = gemmRows(x, 0, 1, w.cols(), macros);
      for (ExpertPlaces.Part part : backend.places(w).parts()) {
        begin("gemm_grouped", macros)
            .groups(tiles(d, part, TILE), Math.ceilDiv(w.rows(), (long) TILE))
            .p(part.first())
            .l(part.stride())
            .l(Layout.scalesAt(w.rows(), w.cols()))
            .l(w.encoding().rowBytes(w.cols()))
            .p(from.x())
            .p(from.scales())
            .p(out)
            .i(w.rows())
            .i(w.cols());
        grouping(d, part, gather);
      }
    }
  }
}
