package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Launches of attention.cu and of what fills the KV cache. */
final class Attention {
  private static final int THREADS = 256;

  /** Entries of a tile on chip, and heads of a block. */
  private static final int TILE = 32;

  private static final int HEADS = 16;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;
  private final Products products;
  private final CudaDevice device;

  Attention(
      CudaBackend backend, CudaQueue queue, CudaScratch scratch, Launch launch, Products products) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
    this.products = products;
    this.device = backend.cu().device();
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel)).block(THREADS);
  }

  /**
   * @param q whose rope parts are rotated in place by the same launch
   */
  void append(
      Optional<Tensor> q,
      int qOffset,
      int heads,
      Tensor kv,
      Tensor norm,
      float eps,
      Tensor table,
      KvCache cache,
      StepBatch batch) {
    long qCols = q.map(Tensor::cols).orElse(0L);
    long rotating = q.isPresent() ? Math.ceilDiv(heads * table.cols(), 1024L) : 0;
    begin("rope_append_" + Tiles.suffix(cache.entries().encoding()))
        .grid(kv.rows(), 1 + rotating)
        .p(q.map(this::address).orElse(0L))
        .i(qCols)
        .i(qCols / heads)
        .i(qOffset)
        .i(heads)
        .p(kv)
        .p(norm)
        .f(eps)
        .p(table)
        .i(norm.cols())
        .i(table.cols())
        .p(cache.entries())
        .i(cache.pageTokens())
        .p(batch.position())
        .p(batch.sequence())
        .p(batch.pages())
        .i(batch.pages().cols())
        .run();
  }

  /**
   * Queries [T, N] in two parts: that over latents and the turned one, which need not be beside it.
   *
   * @param latent address of [T, N] runs of Lkv numbers, {@code latentHead} apart
   * @param turned address of as many of R, {@code turnedRow} and {@code turnedHead} apart
   */
  record Queries(
      long latent, long latentHead, long turned, long turnedRow, long turnedHead, long rows) {}

  /** Of q [T, N·(Lkv+R)]. */
  private Queries together(Tensor q, MlaShape shape) {
    long at = address(q);
    return new Queries(
        at, shape.entry(), at + 4L * shape.kvLora(), q.cols(), shape.entry(), q.rows());
  }

  /** Carried into the latent space, [T, N·Lkv], and where they were left, q [T, N·(P+R)]. */
  Queries apart(Tensor latent, Tensor q, MlaShape shape) {
    return new Queries(
        address(latent),
        shape.kvLora(),
        address(q) + 4L * shape.nope(),
        q.cols(),
        shape.query(),
        q.rows());
  }

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
    long sink = sinks.map(this::address).orElse(0L);
    decode(together(q, shape), cache, shape, batch, address(batch.kvLength()), out, 0, 0, sink);
  }

  /** {@link dev.yuzui.spi.Ops#mlaAbsorbed}, without copying what of the queries is turned. */
  void absorbed(
      Tensor q,
      KvCache cache,
      Tensor keyUp,
      Tensor valueUp,
      MlaShape shape,
      StepBatch batch,
      Tensor out) {
    int heads = shape.heads();
    try (var frame = scratch.frame()) {
      Tensor query = scratch.f32("q_latent", q.rows(), (long) heads * shape.kvLora());
      Tensor latent = scratch.f32("o_latent", q.rows(), (long) heads * shape.kvLora());
      products.dense(q, 0, keyUp, heads, query, 0);
      decode(
          apart(query, q, shape), cache, shape, batch, address(batch.kvLength()), latent, 0, 0, 0);
      products.dense(latent, 0, valueUp, heads, out, 0);
    }
  }

  private long address(Tensor t) {
    return CudaBuffer.address(t, backend.cu());
  }

  /**
   * @param length address of the entries each row sees
   * @param stat address for each row's and head's maximum and sum, or 0
   * @param unless address of an int; nothing is done if it is 0
   * @param sinks address of a score of each head's beside those of its entries, or 0
   */
  void decode(
      Queries q,
      KvCache cache,
      MlaShape shape,
      StepBatch batch,
      long length,
      Tensor out,
      long stat,
      long unless,
      long sinks) {
    Encoding encoding = cache.entries().encoding();
    String type = Tiles.suffix(encoding);
    int stages = stages(encoding, shape, q);
    if (stages == 0) {
      begin("mla_plain_" + type)
          .grid(shape.heads(), q.rows())
          .block(128)
          .shared(4L * (2 * shape.kvLora() + shape.rope() + 32));
      arguments(q, cache, shape, batch, length);
      launch.p(out).p(stat).p(unless).p(sinks).run();
      return;
    }
    long blocks = q.rows() * Math.ceilDiv(shape.heads(), HEADS);
    int leastTiles = blocks <= 8 ? 2 : blocks <= 32 ? 4 : 8;
    int splits =
        device.splits(
            blocks,
            unless == 0 && q.rows() > 1,
            Math.ceilDiv(mostEntries(cache, batch), (long) TILE * leastTiles));
    try (var frame = scratch.frame()) {
      long partial =
          splits == 1
              ? 0
              : scratch.bytes(
                  "attention parts", 4L * q.rows() * shape.heads() * splits * (shape.kvLora() + 2));
      begin("mla_decode_" + type)
          .grid(Math.ceilDiv(shape.heads(), HEADS), splits, q.rows())
          .shared(sharedBytes(encoding, shape, stages));
      arguments(q, cache, shape, batch, length);
      launch.p(out).p(stat).p(partial).i(splits).i(leastTiles).i(stages).p(unless).p(sinks).run();
      if (splits > 1) {
        begin("mla_combine")
            .grid(shape.heads(), q.rows(), Math.ceilDiv(shape.kvLora(), 128))
            .p(partial)
            .p(batch.sequence())
            .p(length)
            .i(shape.heads())
            .i(shape.kvLora())
            .i(splits)
            .i(leastTiles)
            .p(out)
            .p(stat)
            .p(unless)
            .run();
      }
    }
  }

  /** That a row can see. */
  static long mostEntries(KvCache cache, StepBatch batch) {
    return Math.min(batch.pages().cols() * cache.pageTokens(), cache.entries().rows());
  }

  private void arguments(Queries q, KvCache cache, MlaShape shape, StepBatch batch, long length) {
    launch
        .p(q.latent())
        .i(q.latentHead())
        .p(q.turned())
        .i(q.turnedRow())
        .i(q.turnedHead())
        .p(cache.entries())
        .i(cache.pageTokens())
        .p(batch.pages())
        .i(batch.pages().cols())
        .p(batch.sequence())
        .p(length)
        .i(shape.heads())
        .i(shape.kvLora())
        .i(shape.rope())
        .f(shape.scale());
  }

  /** Tiles on chip at once, or 0 if only the plain kernel does it. */
  private int stages(Encoding cache, MlaShape shape, Queries q) {
    boolean fits =
        !cache.equals(Encoding.F32)
            && q.turned() % 16 == 0
            && q.turnedRow() % 4 == 0
            && q.turnedHead() % 4 == 0
            && shape.kvLora() % 16 == 0
            && shape.rope() % 16 == 0
            && shape.kvLora() <= 512
            && shape.rope() <= 64;
    int stages = fits ? (wide(cache) || device.capability() < 90 ? 2 : 3) : 0;
    while (stages > 0 && sharedBytes(cache, shape, stages) > device.sharedBytes() - 1024) {
      stages--;
    }
    return stages;
  }

  private static boolean wide(Encoding cache) {
    return cache.blockBytes() == 2;
  }

  private static long sharedBytes(Encoding cache, MlaShape shape, int stages) {
    long row = 2L * (shape.entry() + 8);
    return TILE * stages * (wide(cache) ? row : shape.entry())
        + (wide(cache) ? 0 : TILE * row)
        + 19392;
  }

  /** See {@link dev.yuzui.spi.Ops#copyPerHead}. */
  void copyPerHead(Tensor x, int xOffset, int count, int heads, Tensor out, int outOffset) {
    begin("copy_per_head")
        .grid(x.rows(), Math.ceilDiv((long) heads * count, 1024L))
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
}
