package dev.yuzui.backend.opencl;

import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Expanded attention among a step's own rows, absorbed attention to what the cache held before,
 * merged: prefill.cl. The device looks at the step and does what pays; what does not is launched
 * and ends at once.
 */
final class Prefill {
  /** Rows of a step below which the launches cost more than is saved. */
  private static final int LEAST_ROWS = 16;

  private static final int ITEMS = 128;

  /** Rows of a work-group of mla_flash: of a processor's, of others'. */
  private static final int WIDE_QUERIES = 16;

  private static final int QUERIES = 32;

  private final OpenClBackend backend;
  private final OpenClScratch scratch;
  private final Launch launch;
  private final boolean wide;
  private final DeviceFacts device;
  private final Products products;
  private final Attention attention;

  Prefill(
      OpenClBackend backend,
      OpenClScratch scratch,
      Launch launch,
      ProductShapes shapes,
      Products products,
      Attention attention) {
    this.backend = backend;
    this.scratch = scratch;
    this.launch = launch;
    this.wide = shapes.wide();
    this.device = backend.cl().device();
    this.products = products;
    this.attention = attention;
  }

  /**
   * What prefill_rows finds.
   *
   * @param any two flags: whether keys and values are rebuilt, whether some row sees entries that
   *     are not the step's
   */
  private record Seen(Tensor first, Tensor own, Tensor history, Tensor any) {
    Optional<Tensor> anyOwn() {
      return Optional.of(
          new Tensor("any own", any.buffer(), any.byteOffset(), any.encoding(), 1, 1));
    }

    Optional<Tensor> anyHistory() {
      return Optional.of(
          new Tensor("any history", any.buffer(), any.byteOffset() + 4, any.encoding(), 1, 1));
    }
  }

  /** Whether {@link #run} may pay: a pair of rows takes P + R + V products, not 2·Lkv + R. */
  boolean pays(Tensor q, MlaShape shape) {
    return q.rows() >= LEAST_ROWS && saved(shape) > 0 && (!wide || fits(shape));
  }

  private static int saved(MlaShape shape) {
    return 2 * shape.kvLora() - shape.nope() - shape.value();
  }

  private Launch begin(String kernel) {
    return launch.of(
        wide
            ? backend.programs().kernel("prefill", kernel, "WIDE=1")
            : backend.programs().kernel("prefill", kernel));
  }

  /** Arguments as {@link dev.yuzui.spi.Ops#mlaPrefill}'s. */
  void run(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    long rows = q.rows();
    try (var frame = scratch.frame()) {
      Seen seen =
          new Seen(
              scratch.i32("first row of each sequence", 1, rows),
              scratch.i32("rows seen", 1, rows),
              scratch.i32("entries before", 1, rows),
              scratch.i32("whether there are any", 1, 2));
      Tensor stat = scratch.f32("stat", rows, 2L * shape.heads());
      look(batch, rows, shape, seen);
      expanded(q, cache, keyUp, valueUp, shape, batch, seen, out, stat);
      absorbed(q, cache, keyUp, valueUp, shape, batch, seen, out, stat);
    }
  }

  private void look(StepBatch batch, long rows, MlaShape shape, Seen seen) {
    int local = device.rowGroup();
    begin("prefill_rows")
        .local(local)
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.kvLength())
        .i(rows)
        .i(saved(shape))
        .i((long) shape.kvLora() * (shape.nope() + shape.value()))
        .p(seen.first())
        .p(seen.own())
        .p(seen.history())
        .p(seen.any())
        .shared(4L * local)
        .shared(4L * local)
        .shared(4L * local)
        .run();
  }

  private void expanded(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Seen seen,
      Tensor out,
      Tensor stat) {
    long rows = q.rows();
    int heads = shape.heads();
    int lkv = shape.kvLora();
    try (var frame = scratch.frame()) {
      Tensor entries = scratch.f32("entries of the step", rows, shape.entry());
      Tensor keys = scratch.f32("keys", rows, (long) heads * shape.nope());
      Tensor values = scratch.f32("values", rows, (long) heads * shape.value());
      Tensor transposed = scratch.f32("W_UK, transposed", (long) heads * shape.nope(), lkv);
      gather(cache, batch, seen, entries);
      transpose(keyUp, shape, seen, transposed);
      products.dense(entries, 0, transposed, 1, keys, 0, seen.anyOwn());
      products.dense(entries, 0, valueUp, 1, values, 0, seen.anyOwn());
      begin("mla_flash");
      if (wide) {
        launch.groups(Math.ceilDiv(rows, (long) WIDE_QUERIES), heads);
      } else {
        launch
            .local(ITEMS)
            .groups(
                Math.ceilDiv(rows, (long) QUERIES),
                Math.ceilDiv(shape.value(), (long) ITEMS),
                heads);
      }
      launch
          .p(q)
          .p(keys)
          .p(entries)
          .p(values)
          .p(seen.first())
          .p(seen.own())
          .i(rows)
          .i(heads)
          .i(shape.nope())
          .i(shape.rope())
          .i(lkv)
          .i(shape.value())
          .f(shape.scale())
          .p(out)
          .p(stat);
      if (wide) {
        for (long floats : localFloats(shape)) {
          launch.shared(4 * floats);
        }
      }
      launch.run();
    }
  }

  private void gather(KvCache cache, StepBatch batch, Seen seen, Tensor out) {
    Tensor entries = cache.entries();
    launch
        .of(
            backend
                .programs()
                .kernel("expand", "gather_entries", "WEIGHTS=" + Layout.suffix(entries.encoding())))
        .upTo(device.rowGroup())
        .groups(out.rows())
        .p(entries)
        .l(entries.encoding().rowBytes(entries.cols()))
        .i(cache.pageTokens())
        .p(batch.pages())
        .i(batch.pages().cols())
        .p(batch.position())
        .p(batch.sequence())
        .i(out.cols())
        .p(out)
        .p(seen.anyOwn())
        .run();
  }

  private void transpose(Tensor keyUp, MlaShape shape, Seen seen, Tensor out) {
    int local = Math.min(64, Integer.highestOneBit(device.workGroup()));
    launch
        .of(
            backend
                .programs()
                .kernel("expand", "transpose_heads", "WEIGHTS=" + Layout.suffix(keyUp.encoding())))
        .local(local)
        .groups(
            Math.ceilDiv(shape.kvLora(), (long) local),
            Math.ceilDiv(shape.nope(), 32L),
            shape.heads())
        .p(keyUp)
        .l(Layout.scalesAt(keyUp.rows(), keyUp.cols()))
        .l(keyUp.encoding().rowBytes(keyUp.cols()))
        .i(shape.kvLora())
        .i(shape.nope())
        .p(out)
        .p(seen.anyOwn())
        .run();
  }

  private void absorbed(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Seen seen,
      Tensor out,
      Tensor stat) {
    long rows = q.rows();
    int heads = shape.heads();
    Optional<Tensor> any = seen.anyHistory();
    try (var frame = scratch.frame()) {
      Tensor query = scratch.f32("q_absorbed", rows, (long) heads * shape.entry());
      Tensor latent = scratch.f32("o_latent", rows, (long) heads * shape.kvLora());
      Tensor before = scratch.f32("o_history", rows, out.cols());
      Tensor statBefore = scratch.f32("stat of history", rows, 2L * heads);
      products.dense(q, 0, keyUp, heads, query, 0, any);
      attention.copyPerHead(q, shape.nope(), shape.rope(), heads, query, shape.kvLora());
      attention.decode(
          query,
          cache,
          shape,
          batch,
          seen.history(),
          latent,
          Optional.of(statBefore),
          any,
          Optional.empty());
      products.dense(latent, 0, valueUp, heads, before, 0, any);
      int local = Math.min(256, device.workGroup());
      begin("mla_merge")
          .local(local)
          .groups(Math.ceilDiv(out.cols(), (long) local), rows)
          .p(out)
          .p(stat)
          .p(before)
          .p(statBefore)
          .i(heads)
          .i(shape.value())
          .p(any)
          .run();
    }
  }

  /** Queries, keys, values, sums: see prefill.cl. */
  private static long[] localFloats(MlaShape shape) {
    long key = Math.ceilDiv(shape.query(), 32) * 32L;
    long value = Math.ceilDiv(shape.value(), 32) * 32L;
    return new long[] {WIDE_QUERIES * key, 32 * key, 32 * value, WIDE_QUERIES * value};
  }

  private boolean fits(MlaShape shape) {
    long floats = WIDE_QUERIES * (32 + 5L);
    for (long part : localFloats(shape)) {
      floats += part;
    }
    return 4 * floats <= device.localBytes();
  }
}
