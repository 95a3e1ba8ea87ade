package dev.yuzui.backend.opencl;

import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** DeepSeek-V3.2's indexer: see index.cl. */
final class Index {
  /** Of index_scores: keys of a work-group, and work-items that share a key out. */
  private static final int KEYS = 32;

  private static final int SHARES = 4;

  /** Bytes of scores at a time at most: the rows of longer steps come in slices. */
  private static final long SCORES = 64 << 20;

  private final OpenClBackend backend;
  private final OpenClScratch scratch;
  private final Launch launch;
  private final int group;

  Index(OpenClBackend backend, OpenClScratch scratch, Launch launch) {
    this.backend = backend;
    this.scratch = scratch;
    this.launch = launch;
    this.group = backend.cl().device().rowGroup();
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
    Tensor entries = cache.entries();
    launch
        .of(backend.programs().kernel("rows", "append_index_" + Layout.suffix(entries.encoding())))
        .groups(keys.rows())
        .local(group)
        .p(keys)
        .p(norm)
        .p(bias)
        .f(eps)
        .p(table)
        .i(shape.rope())
        .i(shape.head())
        .i(shape.rotated())
        .p(entries)
        .i(cache.pageTokens())
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.pages())
        .i(batch.pages().cols())
        .shared(4L * shape.head())
        .shared(4L * group)
        .run();
  }

  /** See {@link dev.yuzui.spi.Ops#select}. */
  void select(
      Tensor q, Tensor weights, KvCache keys, IndexShape shape, StepBatch batch, Selection out) {
    long entries = Math.min(batch.pages().cols() * keys.pageTokens(), keys.entries().rows());
    int most = Math.toIntExact(out.rows().cols());
    long slice = Math.clamp(SCORES / 4 / entries, 1, q.rows());
    try (var frame = scratch.frame()) {
      Tensor query = shape.rotated() ? spread(q, shape) : q;
      Optional<Tensor> scores =
          entries > most
              ? Optional.of(scratch.f32("index scores", slice, entries))
              : Optional.empty();
      for (long first = 0; first < q.rows(); first += slice) {
        long rows = Math.min(slice, q.rows() - first);
        if (scores.isPresent()) {
          score(query, weights, keys, shape, batch, first, rows, most, scores.get());
        }
        choose(scores, keys, batch, first, rows, entries, out);
      }
    }
  }

  private Launch begin(String kernel, KvCache keys) {
    String encoding = "WEIGHTS=" + Layout.suffix(keys.entries().encoding());
    return launch.of(backend.programs().kernel("index", kernel, encoding));
  }

  private Tensor spread(Tensor q, IndexShape shape) {
    Tensor spread = scratch.f32("index queries", q.rows(), q.cols());
    launch
        .of(backend.programs().kernel("index", "index_spread", "WEIGHTS=f32"))
        .groups(q.rows() * shape.heads())
        .local(group)
        .p(q)
        .p(spread)
        .i(shape.head())
        .shared(4L * shape.head())
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
      int most,
      Tensor scores) {
    Tensor entries = keys.entries();
    begin("index_scores", keys)
        .groups(Math.ceilDiv(scores.cols(), (long) KEYS), rows)
        .local(KEYS * SHARES)
        .p(q)
        .p(weights)
        .p(entries)
        .l(entries.encoding().rowBytes(entries.cols()))
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
        .i(scores.cols())
        .shared(4L * KEYS * (32 * Math.ceilDiv(shape.head(), 32) + 1))
        .run();
  }

  private void choose(
      Optional<Tensor> scores,
      KvCache keys,
      StepBatch batch,
      long first,
      long rows,
      long entries,
      Selection out) {
    begin("index_choose", keys)
        .groups(rows)
        .local(group)
        .p(scores)
        .i(entries)
        .p(batch.pages())
        .i(batch.pages().cols())
        .i(keys.pageTokens())
        .p(batch.sequence())
        .p(batch.kvLength())
        .i(first)
        .i(out.rows().cols())
        .p(out.rows())
        .p(out.sequence())
        .p(out.count())
        .shared(4L * 256)
        .shared(8L * group)
        .run();
  }
}
