package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.LatentCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** Launches of attention.cu, prefill.cu and of what fills the latent cache. */
final class Attention {
  private static final int THREADS = 256;

  /** Entries of a tile on chip, and heads of a block. */
  private static final int TILE = 32;

  private static final int HEADS = 16;

  /** Blocks that share a row's entries, at most. */
  private static final int MOST_SPLITS = 64;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;
  private final CudaDevice device;

  Attention(CudaBackend backend, CudaQueue queue, CudaScratch scratch, Launch launch) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
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
      LatentCache cache,
      StepBatch batch) {
    long qCols = q.map(Tensor::cols).orElse(0L);
    long rotating = q.isPresent() ? Math.ceilDiv(heads * table.cols(), 1024L) : 0;
    begin("rope_append_" + Tiles.suffix(cache.entries().encoding()))
        .grid(kv.rows(), 1 + rotating)
        .p(q.map(t -> CudaBuffer.address(t, backend.cu())).orElse(0L))
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

  void decode(Tensor q, LatentCache cache, MlaShape shape, StepBatch batch, Tensor out) {
    decode(q, cache, shape, batch, CudaBuffer.address(batch.kvLength(), backend.cu()), out, 0, 0);
  }

  /**
   * @param length address of the entries each row sees
   * @param stat address for each row's and head's maximum and sum, or 0
   * @param unless address of an int; nothing is done if it is 0
   */
  private void decode(
      Tensor q,
      LatentCache cache,
      MlaShape shape,
      StepBatch batch,
      long length,
      Tensor out,
      long stat,
      long unless) {
    Encoding encoding = cache.entries().encoding();
    String type = Tiles.suffix(encoding);
    int stages = stages(encoding, shape);
    if (stages == 0) {
      begin("mla_plain_" + type)
          .grid(shape.heads(), q.rows())
          .block(128)
          .shared(4L * (2 * shape.kvLora() + shape.rope() + 32));
      arguments(q, cache, shape, batch, length);
      launch.p(out).p(stat).p(unless).run();
      return;
    }
    long blocks = q.rows() * Math.ceilDiv(shape.heads(), HEADS);
    long tiles = Math.ceilDiv(batch.pages().cols() * cache.pageTokens(), (long) TILE);
    int splits =
        (int)
            Math.clamp(
                2L * device.multiprocessors() / blocks, 1, Math.clamp(tiles / 2, 1, MOST_SPLITS));
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
      launch.p(out).p(stat).p(partial).i(splits).i(stages).p(unless).run();
      if (splits > 1) {
        begin("mla_combine")
            .grid(shape.heads(), q.rows(), Math.ceilDiv(shape.kvLora(), 128))
            .p(partial)
            .p(batch.sequence())
            .p(length)
            .i(shape.heads())
            .i(shape.kvLora())
            .i(splits)
            .p(out)
            .p(stat)
            .p(unless)
            .run();
      }
    }
  }

  private void arguments(
      Tensor q, LatentCache cache, MlaShape shape, StepBatch batch, long length) {
    launch
        .p(q)
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
  private int stages(Encoding cache, MlaShape shape) {
    boolean fits =
        !cache.equals(Encoding.F32)
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
}
