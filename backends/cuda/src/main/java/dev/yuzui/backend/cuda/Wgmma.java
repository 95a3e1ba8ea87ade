package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;

/**
 * Products of many rows on compute capability 9.0, by native-kernels/cuda/wgmma.cu: twice what
 * {@code gemm} has of the tensor cores, in tiles that are larger.
 */
final class Wgmma {
  /** What the kernels are compiled for: code for sm_90a runs on no other, later ones included. */
  private static final int CAPABILITY = 90;

  private static final long ROWS = 256;
  private static final long COLUMNS = 128;
  private static final int THREADS = 384;

  private final CudaBackend backend;
  private final CudaQueue queue;
  private final CudaScratch scratch;
  private final Launch launch;
  private final CudaDevice device;

  Wgmma(CudaBackend backend, CudaQueue queue, CudaScratch scratch, Launch launch) {
    this.backend = backend;
    this.queue = queue;
    this.scratch = scratch;
    this.launch = launch;
    this.device = backend.cu().device();
  }

  /** Whether {@code device} can have these kernels. */
  static boolean suits(CudaDevice device) {
    return device.capability() == CAPABILITY;
  }

  /**
   * Whether a product has a kernel here and gains by it: one block takes a multiprocessor, and what
   * has fewer tiles than half of those is done as soon by gemm's smaller ones.
   */
  boolean takes(long tokens, Weight w, Groups groups) {
    return backend.kernels().wgmma()
        && has(w.encoding())
        && groups.many(tokens, w)
        && 2 * tiles(tokens, w, groups) >= device.multiprocessors();
  }

  private static String kernel(Weight w) {
    return w.kernel("gemm") + "_wgmma";
  }

  /** Tiles that have work; of experts about as many, as rows fall unevenly to them. */
  private static long tiles(long tokens, Weight w, Groups groups) {
    long rows = groups.dense() ? tokens : groups.slots();
    return Math.ceilDiv(w.n(), ROWS) * w.heads() * Math.ceilDiv(rows, COLUMNS);
  }

  /** Whether kernels multiply by {@code encoding}. */
  static boolean has(Encoding encoding) {
    return switch (encoding) {
      case Encoding.Plain _ -> !encoding.equals(Encoding.F32);
      case Encoding.Fp8Tiled _ -> true;
      case Encoding.Q4_0 _, Encoding.Q5_0 _, Encoding.Q8_0 _ -> true;
      case Encoding.Q4_K _, Encoding.Q5_K _, Encoding.Q6_K _, Encoding.IQ4_XS _ -> true;
      default -> false;
    };
  }

  /** As {@link Products} says, where this {@link #takes} it. */
  void product(
      Products.Rows x, long tokens, Weight w, Groups groups, Products.Rows out, long unless) {
    int heads = w.heads();
    try (var frame = scratch.frame()) {
      long halves = scratch.bytes("x in F16", heads * tokens * Products.halfRow(w.k()));
      long scales = scratch.bytes("scales of x", 4 * heads * tokens);
      begin("rows_to_half")
          .grid(tokens, heads)
          .block(256)
          .p(x.address())
          .i(x.stride())
          .i(x.headStride())
          .i(x.offset())
          .i(w.k())
          .i(heads)
          .i(tokens)
          .p(halves)
          .p(scales)
          .run();
      begin(kernel(w))
          .grid(Math.ceilDiv(w.n(), ROWS) * heads, groups.tiles(tokens, COLUMNS, w.experts()))
          .block(THREADS)
          .shared(OnChip.wgmma(w.encoding()))
          .p(groups.dense() ? w.w() : 0)
          .p(groups.dense() ? 0 : w.w())
          .p(halves)
          .p(scales)
          .i(tokens)
          .p(out.address())
          .i(false)
          .i(out.stride())
          .i(out.headStride())
          .i(out.offset())
          .i(groups.tokens(tokens))
          .i(w.n())
          .i(w.k())
          .i(heads)
          .p(groups.offset())
          .p(groups.slot())
          .i(groups.used())
          .i(groups.gather().ordinal())
          .i(w.experts())
          .p(unless)
          .run();
    }
  }

  private Launch begin(String kernel) {
    queue.precede();
    return launch.of(backend.kernels().get(kernel));
  }
}
