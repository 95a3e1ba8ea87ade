package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Launches of prefill.cu, and of {@link Attention} for what lies before a prompt. */
final class Prefill {
  private static final int THREADS = 256;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;
  private final Products products;
  private final Attention attention;
  private final CudaDevice device;

  Prefill(
      CudaBackend backend,
      CudaQueue queue,
      CudaScratch scratch,
      Launch launch,
      Products products,
      Attention attention) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
    this.products = products;
    this.attention = attention;
    this.device = backend.cu().device();
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel)).block(THREADS);
  }

  /** Which flash kernel, and keys of a tile. */
  private record Flash(String kernel, int keys) {}

  private static Optional<Flash> flash(MlaShape s) {
    if (s.nope() % 16 != 0 || s.rope() % 16 != 0 || s.value() % 16 != 0) {
      return Optional.empty();
    }
    if (s.nope() == 128 && s.rope() == 64 && s.value() == 128) {
      return Optional.of(new Flash("mla_flash", 64));
    }
    if (s.query() <= 192 && s.value() <= 128) {
      return Optional.of(new Flash("mla_flash_small", 64));
    }
    return s.query() <= 256 && s.value() <= 256
        ? Optional.of(new Flash("mla_flash_large", 32))
        : Optional.empty();
  }

  /** Whether {@link #run} is made for these; F32 weights are not, they promise F32 results. */
  boolean expands(Tensor keyUp, Tensor valueUp, MlaShape shape) {
    return flash(shape).isPresent()
        && !keyUp.encoding().equals(Encoding.F32)
        && products.takesHalves(valueUp);
  }

  /**
   * Expanded attention among the step's own rows, absorbed attention to what the cache held before,
   * merged: the sequence of prefill.cu. The second part costs little where there is no such entry.
   */
  void run(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    long rows = q.rows();
    int heads = shape.heads();
    try (var frame = scratch.frame()) {
      long first = scratch.bytes("first row of each sequence", 4 * rows);
      long own = scratch.bytes("rows seen", 4 * rows);
      long history = scratch.bytes("entries before", 4 * rows);
      long any = scratch.bytes("whether there are any", 4);
      long stat = scratch.bytes("stat", 8 * rows * heads);
      begin("prefill_rows")
          .block(1024)
          .p(batch.position())
          .p(batch.sequence())
          .p(batch.kvLength())
          .i(rows)
          .p(first)
          .p(own)
          .p(history)
          .p(any)
          .run();
      expanded(q, cache, keyUp, valueUp, shape, batch, out, first, own, stat);
      absorbed(q, cache, keyUp, valueUp, shape, batch, out, history, any, stat);
    }
  }

  private void expanded(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out,
      long first,
      long own,
      long stat) {
    long rows = q.rows();
    int heads = shape.heads();
    int lkv = shape.kvLora();
    int rope = shape.rope();
    long keyRows = (long) heads * shape.nope();
    long valueRows = (long) heads * shape.value();
    try (var frame = scratch.frame()) {
      Products.Halves latent =
          new Products.Halves(
              scratch.bytes("latents in F16", rows * Products.halfRow(lkv)),
              scratch.bytes("scales of latents", 4 * rows),
              rows);
      long shared = scratch.bytes("rotated keys", 2 * rows * rope);
      long tiles = scratch.bytes("W_UK", Tiles.tileBytes(Encoding.F16, keyRows, lkv));
      long keys = scratch.bytes("keys", 2 * rows * keyRows);
      long values = scratch.bytes("values", 2 * rows * valueRows);
      begin("gather_latent_" + Tiles.suffix(cache.entries().encoding()))
          .grid(rows)
          .p(cache.entries())
          .i(cache.pageTokens())
          .p(batch.pages())
          .i(batch.pages().cols())
          .p(batch.position())
          .p(batch.sequence())
          .i(lkv)
          .i(rope)
          .p(latent.values())
          .p(latent.scales())
          .p(shared)
          .run();
      begin("transpose_heads_" + Tiles.suffix(keyUp.encoding()))
          .grid(Math.ceilDiv(lkv, 32), Math.ceilDiv(keyRows, (long) Tiles.ROWS))
          .block(32)
          .p(keyUp)
          .p(tiles)
          .i(heads)
          .i(lkv)
          .i(shape.nope())
          .run();
      products.inHalves(latent, tiles, keyRows, lkv, keys);
      products.inHalves(latent, valueUp, values);
      Flash flash = flash(shape).orElseThrow();
      int stages = device.capability() < 80 ? 1 : 2;
      begin(flash.kernel())
          .grid(Math.ceilDiv(rows, 128L), heads)
          .shared(2L * stages * flash.keys() * (shape.query() + shape.value() + 16))
          .p(q)
          .p(keys)
          .p(shared)
          .p(values)
          .p(first)
          .p(own)
          .i(rows)
          .i(heads)
          .i(shape.nope())
          .i(rope)
          .i(shape.value())
          .f(shape.scale())
          .p(out)
          .p(stat)
          .i(stages)
          .run();
    }
  }

  private void absorbed(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out,
      long history,
      long any,
      long stat) {
    long rows = q.rows();
    int heads = shape.heads();
    try (var frame = scratch.frame()) {
      Tensor query = scratch.f32("q_latent", rows, (long) heads * shape.kvLora());
      Tensor latent = scratch.f32("o_latent", rows, (long) heads * shape.kvLora());
      Tensor before = scratch.f32("o_history", rows, out.cols());
      long statBefore = scratch.bytes("stat of history", 8 * rows * heads);
      products.denseUnless(q, 0, keyUp, heads, query, 0, any);
      attention.decode(
          attention.apart(query, q, shape),
          cache,
          shape,
          batch,
          history,
          latent,
          statBefore,
          any,
          0);
      products.denseUnless(latent, 0, valueUp, heads, before, 0, any);
      begin("mla_merge")
          .grid(rows)
          .p(out)
          .p(stat)
          .p(before)
          .p(statBefore)
          .i(heads)
          .i(shape.value())
          .i(rows)
          .p(any)
          .run();
    }
  }
}
