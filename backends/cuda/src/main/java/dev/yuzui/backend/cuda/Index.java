package dev.yuzui.backend.cuda;

import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;

/** DeepSeek-V3.2's indexer: launches of index.cu and of what fills its cache. */
final class Index {
  /** Threads that make or spread a key. */
  private static final int ROW = 128;

  /** Of index_scores: threads of a block, its keys, heads on chip at a time. */
  private static final int SCORING = 256;

  private static final int KEYS = 64;
  private static final int HEADS = 16;

  /** Threads that choose for a row. */
  private static final int CHOOSING = 1024;

  /** Bytes of scores at a time at most: the rows of longer steps come in slices. */
  private static final long SCORES = 128 << 20;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;

  Index(CudaBackend backend, CudaQueue queue, CudaScratch scratch, Launch launch) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel));
  }

  private static String type(KvCache cache) {
    return Tiles.suffix(cache.entries().encoding());
  }

  /** See {@link dev.yuzui.spi.Ops#appendIndex}. */
  void append(
      Tensor keys,
      Tensor norm,
      Tensor bias,
      float eps,
      Tensor table,
      KvCache cache,
      IndexShape shape,
      StepBatch batch) {
    begin("append_index_" + type(cache))
        .block(ROW)
        .grid(keys.rows())
        .shared(4L * shape.head())
        .p(keys)
        .p(norm)
        .p(bias)
        .f(eps)
        .p(table)
        .i(shape.rope())
        .i(shape.head())
        .i(shape.rotated() ? 1 : 0)
        .p(cache.entries())
        .i(cache.pageTokens())
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.pages())
        .i(batch.pages().cols())
        .run();
  }

  /** See {@link dev.yuzui.spi.Ops#select}. */
  void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    long entries = Math.min(batch.pages().cols() * keys.pageTokens(), keys.entries().rows());
    long most = out.rows().cols();
    long slice = Math.clamp(SCORES / 4 / entries, 1, q.rows());
    try (var frame = scratch.frame()) {
      Tensor query = shape.rotated() ? spread(q, shape) : q;
      long scores = entries > most ? scratch.bytes("index scores", 4 * slice * entries) : 0;
      for (long first = 0; first < q.rows(); first += slice) {
        long rows = Math.min(slice, q.rows() - first);
        if (scores != 0) {
          score(query, weights, keys, shape, batch, first, rows, most, scores, entries);
        }
        begin("index_choose")
            .block(CHOOSING)
            .grid(rows)
            .p(scores)
            .i(entries)
            .p(batch.pages())
            .i(batch.pages().cols())
            .i(keys.pageTokens())
            .p(batch.sequence())
            .p(batch.kvLength())
            .i(first)
            .i(most)
            .p(out.rows())
            .p(out.sequence())
            .p(out.count())
            .run();
      }
    }
  }

  private Tensor spread(Tensor q, IndexShape shape) {
    Tensor spread = scratch.f32("index queries", q.rows(), q.cols());
    begin("index_spread")
        .block(ROW)
        .grid(q.rows() * shape.heads())
        .shared(4L * shape.head())
        .p(q)
        .p(spread)
        .i(shape.head())
        .run();
    return spread;
  }

  private void score(
      Tensor q,
      Tensor weights,
      KvCache keys,
      IndexShape shape,
      StepBatch batch,
      long first,
      long rows,
      long most,
      long scores,
      long entries) {
    long tile = (KEYS * (shape.head() + 1L) + 3) / 4 * 4;
    begin("index_scores_" + type(keys))
        .block(SCORING)
        .grid(Math.ceilDiv(entries, (long) KEYS), rows)
        .shared(4 * (tile + (long) HEADS * shape.head()))
        .p(q)
        .p(weights)
        .p(keys.entries())
        .i(keys.pageTokens())
        .p(batch.pages())
        .i(batch.pages().cols())
        .p(batch.sequence())
        .p(batch.kvLength())
        .i(first)
        .i(most)
        .i(shape.heads())
        .i(shape.head())
        .f(shape.scale())
        .p(scores)
        .i(entries)
        .run();
  }
}
