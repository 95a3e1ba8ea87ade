package dev.yuzui.backend.opencl;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Absorbed attention over the KV cache: which kernels, and how the entries are split. */
final class Attention {
  /** Entries of a tile of kernels for processors. */
  static final int WIDE_TILE = 32;

  /** Heads of a work-group. */
  private static final int HEADS = 16;

  /** Columns of the latent that a work-group has, unless it has all of them. */
  private static final int COLUMNS = 512;

  private static final int ITEMS = 128;

  private final OpenClBackend backend;
  private final OpenClScratch scratch;
  private final Launch launch;
  private final boolean wide;
  private final DeviceFacts device;

  Attention(OpenClBackend backend, OpenClScratch scratch, Launch launch, ProductShapes shapes) {
    this.backend = backend;
    this.scratch = scratch;
    this.launch = launch;
    this.wide = shapes.wide();
    this.device = backend.cl().device();
  }

  /**
   * How the entries of a row are cut, see attention.cl.
   *
   * @param wide by one work-item that has all of a tile in local memory
   * @param tile entries of a tile
   * @param least tiles of a split
   */
  private record Cut(boolean wide, int tile, int splits, int least) {}

  void decode(Tensor q, KvCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    decode(q, cache, Optional.empty(), shape, batch, out);
  }

  void decode(
      Tensor q,
      KvCache cache,
      Optional<Tensor> sinks,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    Optional<Tensor> none = Optional.empty();
    decode(q, cache, shape, batch, batch.kvLength(), out, none, none, sinks);
  }

  /**
   * @param length entries that each row sees
   * @param stat see attention.cl
   * @param unless a flag: nothing is done if it is 0
   * @param sinks see attention.cl
   */
  void decode(
      Tensor q,
      KvCache cache,
      MlaShape shape,
      StepBatch batch,
      Tensor length,
      Tensor out,
      Optional<Tensor> stat,
      Optional<Tensor> unless,
      Optional<Tensor> sinks) {
    long rows = q.rows();
    int heads = shape.heads();
    int lkv = shape.kvLora();
    Cut cut = cut(rows, cache, shape, batch);
    long blocks = Math.ceilDiv(heads, HEADS);
    try (var frame = scratch.frame()) {
      Optional<Tensor> partial =
          cut.splits() == 1
              ? Optional.empty()
              : Optional.of(scratch.f32("attention parts", rows * cut.splits() * heads, 2L + lkv));
      Tensor entries = cache.entries();
      begin("mla_decode", cut, cache)
          .local(cut.wide() ? 1 : ITEMS)
          .groups(cut.wide() ? blocks : blocks * Math.ceilDiv(lkv, COLUMNS), cut.splits(), rows)
          .p(q)
          .p(entries)
          .l(entries.encoding().rowBytes(entries.cols()))
          .i(cache.pageTokens())
          .p(batch.pages())
          .i(batch.pages().cols())
          .p(batch.sequence())
          .p(length)
          .i(heads)
          .i(lkv)
          .i(shape.rope())
          .f(shape.scale())
          .p(out)
          .p(partial)
          .i(cut.splits())
          .i(cut.least())
          .p(stat)
          .p(unless)
          .p(sinks);
      if (cut.wide()) {
        long[] floats = localFloats(shape, cut.tile());
        launch.shared(4 * floats[0]).shared(4 * floats[1]).shared(4 * floats[2]);
      }
      launch.run();
      if (partial.isPresent()) {
        int local = Math.min(lkv, cut.wide() ? 32 : ITEMS);
        begin("mla_combine", cut, cache)
            .local(local)
            .groups(Math.ceilDiv(lkv, local), heads, rows)
            .p(partial)
            .p(batch.sequence())
            .p(length)
            .i(heads)
            .i(lkv)
            .i(cut.splits())
            .i(cut.least())
            .p(out)
            .p(stat)
            .p(unless)
            .run();
      }
    }
  }

  /** See {@link dev.yuzui.spi.Ops#copyPerHead}. */
  void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    int local = Math.min(256, device.workGroup());
    launch
        .of(backend.programs().kernel("rows", "copy_per_head"))
        .local(local)
        .groups(Math.ceilDiv((long) heads * count, (long) local), x.rows())
        .p(x)
        .i(x.cols())
        .i(x.cols() / heads)
        .i(xOffset)
        .i(count)
        .i(heads)
        .p(out)
        .i(out.cols())
        .i(out.cols() / heads)
        .i(outOffset)
        .run();
  }

  private Launch begin(String kernel, Cut cut, KvCache cache) {
    String encoding = "WEIGHTS=" + Layout.suffix(cache.entries().encoding());
    var programs = backend.programs();
    return launch.of(
        cut.wide()
            ? programs.kernel("attention", kernel, encoding, "WIDE=1")
            : programs.kernel("attention", kernel, encoding));
  }

  /** As many splits as leave every compute unit some groups, none that could never have work. */
  private Cut cut(long rows, KvCache cache, MlaShape shape, StepBatch batch) {
    boolean fits = wide && fits(shape);
    int tile = fits ? WIDE_TILE : 64;
    int least = fits ? 4 : 1;
    long groups = rows * Math.ceilDiv(shape.heads(), HEADS);
    long wanted = Math.ceilDiv(4L * device.computeUnits(), groups);
    long entries = Math.min(batch.pages().cols() * cache.pageTokens(), cache.entries().rows());
    long most = Math.ceilDiv(entries, (long) tile * least);
    return new Cut(fits, tile, (int) Math.clamp(wanted, 1, Math.max(1, most)), least);
  }

  /** Queries, a tile of entries, sums: see attention.cl. */
  private static long[] localFloats(MlaShape shape, int tile) {
    long heads = Math.min(HEADS, Math.ceilDiv(shape.heads(), 4) * 4L);
    long entry = Math.ceilDiv(shape.entry(), 32) * 32L;
    long latent = Math.ceilDiv(shape.kvLora(), 32) * 32L;
    return new long[] {heads * entry, tile * entry, heads * latent};
  }

  private boolean fits(MlaShape shape) {
    long floats = HEADS * (WIDE_TILE + 3L);
    for (long part : localFloats(shape, WIDE_TILE)) {
      floats += part;
    }
    return 4 * floats <= device.localBytes();
  }
}
