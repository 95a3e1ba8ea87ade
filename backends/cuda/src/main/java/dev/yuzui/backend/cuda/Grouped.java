package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;

/** Launches of grouped.cu and of what fills its cache. */
final class Grouped {
  private static final int THREADS = 256;

  /** Of a block of attention. */
  private static final int ATTENDING = 128;

  /** Entries of a tile on chip. */
  private static final int TILE = 64;

  /** Queries of a block: of decode steps, of prompts. */
  private static final int FEW = 16;

  private static final int MANY = 64;

  /** Rows a sequence from which a step is one with prompts. */
  private static final int PROMPT = 4;

  /** Which rows a launch is for, see grouped.cu. */
  private static final int ALL = 0;

  private static final int ALONE = 1;
  private static final int TOGETHER = 2;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;
  private final CudaDevice device;

  Grouped(CudaBackend backend, CudaQueue queue, CudaScratch scratch, Launch launch) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
    this.device = backend.cu().device();
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel));
  }

  private static String type(KvCache cache) {
    return Tiles.suffix(cache.entries().encoding());
  }

  /** See {@link dev.yuzui.spi.Ops#append}. */
  void append(
      Tensor k, Tensor v, Tensor table, KvCache cache, GroupedShape shape, StepBatch batch) {
    begin("append_" + type(cache))
        .block(THREADS)
        .grid(k.rows(), Math.ceilDiv(k.cols(), 1024L))
        .p(k)
        .p(v)
        .p(table)
        .i(shape.kvHeads())
        .i(shape.head())
        .p(cache.entries())
        .i(cache.pageTokens())
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.pages())
        .i(batch.pages().cols())
        .run();
  }

  /**
   * Blocks of a launch.
   *
   * @param prompt by warps that have queries of their own
   * @param rows of a block
   * @param heads of a block
   * @param count without splits
   */
  private record Blocks(boolean prompt, int rows, int heads, long count) {

    /** Of rows that may share entries, or each in blocks of its own. */
    static Blocks of(boolean prompt, boolean sharing, long rows, GroupedShape shape) {
      int queries = prompt ? MANY : FEW;
      int headBlocks = Math.ceilDiv(shape.perGroup(), queries);
      int heads = Math.ceilDiv(shape.perGroup(), headBlocks);
      int together = sharing ? (int) Math.min(rows, queries / heads) : 1;
      long count = Math.ceilDiv(rows, (long) together) * headBlocks * shape.kvHeads();
      return new Blocks(prompt, together, heads, count);
    }
  }

  /** Where the parts of a step's splits lie, if there are several. */
  private record Splits(int count, int leastTiles, long partial) {}

  /** See {@link dev.yuzui.spi.Ops#attend}. */
  void attend(Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    if (stages(cache, shape, false) == 0) {
      begin("attend_plain_" + type(cache))
          .block(ATTENDING)
          .grid(shape.heads(), q.rows())
          .shared(4L * (2 * shape.head() + 32));
      arguments(q, cache, shape, batch, out).run();
      return;
    }
    long rows = q.rows();
    long sequences = batch.pages().rows();
    boolean prompt = rows >= PROMPT * sequences && rows * shape.perGroup() > 2 * FEW;
    prompt &= stages(cache, shape, true) > 0;
    Blocks blocks = Blocks.of(prompt, rows > sequences, rows, shape);
    int leastTiles = blocks.count() <= 32 ? 1 : blocks.count() <= 128 ? 2 : 4;
    int splits =
        device.splits(
            blocks.count(),
            !prompt && rows > 1,
            Math.ceilDiv(Attention.mostEntries(cache, batch), (long) TILE * leastTiles));
    try (var frame = scratch.frame()) {
      long partial =
          splits == 1
              ? 0
              : scratch.bytes(
                  "attention parts", 4L * rows * shape.heads() * splits * (shape.head() + 2));
      Splits cut = new Splits(splits, leastTiles, partial);
      launch(blocks, prompt ? TOGETHER : ALL, cut, q, cache, shape, batch, out);
      if (prompt) {
        Blocks alone = Blocks.of(false, false, rows, shape);
        launch(alone, ALONE, cut, q, cache, shape, batch, out);
      }
      if (splits > 1) {
        begin("attend_combine")
            .block(ATTENDING)
            .grid(shape.heads(), rows)
            .p(partial)
            .i(shape.heads())
            .i(shape.head())
            .i(splits)
            .p(out)
            .run();
      }
    }
  }

  private void launch(
      Blocks blocks,
      int which,
      Splits cut,
      Tensor q,
      KvCache cache,
      GroupedShape shape,
      StepBatch batch,
      Tensor out) {
    int stages = stages(cache, shape, blocks.prompt());
    begin((blocks.prompt() ? "attend_prompt_" : "attend_decode_") + type(cache))
        .block(ATTENDING)
        .grid(blocks.count(), cut.count())
        .shared(sharedBytes(cache, shape, blocks.prompt(), stages));
    arguments(q, cache, shape, batch, out)
        .p(cut.partial())
        .i(blocks.rows())
        .i(blocks.heads())
        .i(which)
        .i(cut.count())
        .i(cut.leastTiles())
        .i(stages)
        .run();
  }

  private Launch arguments(
      Tensor q, KvCache cache, GroupedShape shape, StepBatch batch, Tensor out) {
    return launch
        .p(q)
        .p(cache.entries())
        .i(cache.pageTokens())
        .p(batch.pages())
        .i(batch.pages().cols())
        .p(batch.sequence())
        .p(batch.kvLength())
        .i(q.rows())
        .i(shape.heads())
        .i(shape.kvHeads())
        .i(shape.head())
        .f(shape.scale())
        .p(out);
  }

  /** Tiles on chip at once, or 0 if only the plain kernel does it. */
  private int stages(KvCache cache, GroupedShape shape, boolean prompt) {
    boolean fits =
        !cache.entries().encoding().equals(Encoding.F32)
            && shape.head() % 16 == 0
            && shape.head() <= 128;
    int stages = fits ? (wide(cache) || device.capability() < 90 ? 2 : 3) : 0;
    while (stages > 0 && sharedBytes(cache, shape, prompt, stages) > device.sharedBytes() - 2048) {
      stages--;
    }
    return stages;
  }

  private static boolean wide(KvCache cache) {
    return cache.entries().encoding().blockBytes() == 2;
  }

  private static long sharedBytes(KvCache cache, GroupedShape shape, boolean prompt, int stages) {
    long row = 2L * (2 * shape.head() + 8);
    return TILE * stages * (wide(cache) ? row : 2L * shape.head())
        + (wide(cache) ? 0 : TILE * row)
        + 2L * (prompt ? MANY : FEW) * shape.head();
  }
}
