package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.math.BigInteger;
import java.util.Optional;

/** Grouped-query attention and what fills its cache: how heads and rows are put into groups. */
final class Grouped {
  /** Queries of a work-group. */
  private static final int MOST_QUERIES = 32;

  private static final int ITEMS = 128;

  private final OpenClBackend backend;
  private final OpenClScratch scratch;
  private final Launch launch;
  private final boolean wide;
  private final DeviceFacts device;

  Grouped(OpenClBackend backend, OpenClScratch scratch, Launch launch, ProductShapes shapes) {
    this.backend = backend;
    this.scratch = scratch;
    this.launch = launch;
    this.wide = shapes.wide();
    this.device = backend.cl().device();
  }

  /** See {@link dev.yuzui.spi.Ops#append}. */
  void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    Tensor entries = cache.entries();
    int each = headsOfWholeBlocks(entries.encoding(), shape);
    launch
        .of(
            backend
                .programs()
                .kernel("rows", "append_grouped_" + Layout.suffix(entries.encoding())))
        .upTo(device.rowGroup())
        .groups(k.rows(), shape.kvHeads() / each)
        .p(k)
        .p(v)
        .p(table)
        .i(shape.kvHeads())
        .i(shape.head())
        .i(each)
        .p(entries)
        .i(cache.pageTokens())
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.pages())
        .i(batch.pages().cols())
        .shared(8L * each * shape.head())
        .run();
  }

  /** Fewest heads whose keys and values do not end within a block; they divide an entry's. */
  private static int headsOfWholeBlocks(Encoding encoding, GroupedShape shape) {
    int block = encoding.blockElements();
    return block / BigInteger.valueOf(2L * shape.head()).gcd(BigInteger.valueOf(block)).intValue();
  }

  /**
   * How a step is cut, see grouped.cl.
   *
   * @param wide by one work-item that has all of a tile in local memory
   * @param queries of a work-group at most
   * @param rows of a work-group
   * @param heads of a work-group
   * @param blocks work-groups that a head of keys and values takes without splits
   * @param least tiles of a split
   */
  private record Cut(
      boolean wide, int queries, int rows, int heads, long blocks, int splits, int least) {}

  /** See {@link dev.yuzui.spi.Ops#attend}. */
  void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    long rows = q.rows();
    int head = shape.head();
    Cut cut = cut(rows, cache, shape, batch);
    try (var frame = scratch.frame()) {
      Optional<Tensor> partial =
          cut.splits() == 1
              ? Optional.empty()
              : Optional.of(
                  scratch.f32("attention parts", rows * cut.splits() * shape.heads(), 2L + head));
      Tensor entries = cache.entries();
      begin("grouped", cut, cache)
          .local(cut.wide() ? 1 : ITEMS)
          .groups(
              cut.blocks(),
              cut.splits(),
              shape.kvHeads() * (cut.wide() ? 1L : Math.ceilDiv(head, ITEMS)))
          .p(q)
          .p(entries)
          .l(entries.encoding().rowBytes(entries.cols()))
          .i(cache.pageTokens())
          .p(batch.pages())
          .i(batch.pages().cols())
          .p(batch.sequence())
          .p(batch.kvLength())
          .i(rows)
          .i(shape.heads())
          .i(shape.kvHeads())
          .i(head)
          .f(shape.scale())
          .i(cut.rows())
          .i(cut.heads())
          .p(out)
          .p(partial)
          .i(cut.splits())
          .i(cut.least());
      if (cut.wide()) {
        long row = rowBytes(shape);
        launch
            .shared(cut.queries() * row)
            .shared(Attention.WIDE_TILE * row)
            .shared(Attention.WIDE_TILE * row)
            .shared(cut.queries() * row);
      }
      launch.run();
      if (partial.isPresent()) {
        int local = Math.min(head, cut.wide() ? 32 : ITEMS);
        begin("grouped_combine", cut, cache)
            .local(local)
            .groups(Math.ceilDiv(head, local), shape.heads(), rows)
            .p(partial)
            .i(shape.heads())
            .i(head)
            .i(cut.splits())
            .p(out)
            .run();
      }
    }
  }

  private Launch begin(String kernel, Cut cut, KvCache cache) {
    String encoding = "WEIGHTS=" + Layout.suffix(cache.entries().encoding());
    String queries = "QUERIES=" + cut.queries();
    var programs = backend.programs();
    return launch.of(
        cut.wide()
            ? programs.kernel("grouped", kernel, encoding, queries, "WIDE=1")
            : programs.kernel("grouped", kernel, encoding, queries));
  }

  /**
   * Where a sequence has several rows they share a tile; a group is no larger than what may share
   * one. As many splits as leave every compute unit some groups, none that could never have work.
   */
  private Cut cut(long rows, KvCache cache, GroupedShape shape, StepBatch batch) {
    boolean fits = wide && fits(shape);
    long each = Math.ceilDiv(rows, batch.pages().rows());
    boolean shared = each > 1;
    int perGroup = shape.perGroup();
    long sharing = perGroup * each;
    int queries = fits || sharing > 16 ? MOST_QUERIES : sharing > 8 ? 16 : 8;
    int headBlocks = Math.ceilDiv(perGroup, queries);
    int heads = Math.ceilDiv(perGroup, headBlocks);
    int together = shared ? (int) Math.min(rows, queries / heads) : 1;
    long blocks = Math.ceilDiv(rows, (long) together) * headBlocks;
    int tile = fits ? Attention.WIDE_TILE : 64;
    int least = fits ? 4 : 1;
    long wanted = Math.ceilDiv(4L * device.computeUnits(), blocks * shape.kvHeads());
    long entries = Math.min(batch.pages().cols() * cache.pageTokens(), cache.entries().rows());
    long most = Math.ceilDiv(entries, (long) tile * least);
    int splits = (int) Math.clamp(wanted, 1, Math.max(1, most));
    return new Cut(fits, queries, together, heads, blocks, splits, least);
  }

  /** A query, key or value in local memory. */
  private static long rowBytes(GroupedShape shape) {
    return 4L * 32 * Math.ceilDiv(shape.head(), 32);
  }

  private boolean fits(GroupedShape shape) {
    long tiles = 2L * (MOST_QUERIES + Attention.WIDE_TILE) * rowBytes(shape);
    long scores = 4L * MOST_QUERIES * (Attention.WIDE_TILE + 4);
    return tiles + scores <= device.localBytes();
  }
}
