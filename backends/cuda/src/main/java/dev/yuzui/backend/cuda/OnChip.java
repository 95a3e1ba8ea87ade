package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;

/**
 * What products take of the memory and the registers of a multiprocessor, by encoding, as
 * native-kernels/cuda/matvec.cuh, gemm.cuh and low_bit.cuh count it.
 */
final class OnChip {
  private OnChip() {}

  /** Units of 32 columns that a warp of matvec takes at once. */
  static int chunk(Encoding encoding) {
    return switch (encoding) {
      case Encoding.Plain _, Encoding.Fp8Tiled _, Encoding.Q8_0 _ -> 4;
      default -> 8;
    };
  }

  /** Static shared memory of a kernel that looks weights up in a grid, as low_bit.cuh says. */
  static int grid(Encoding encoding) {
    return switch (encoding) {
      case Encoding.IQ1_S _, Encoding.IQ1_M _ -> 8 << 10;
      case Encoding.IQ2_S _ -> 4 << 10;
      case Encoding.IQ2_XS _ -> 2 << 10;
      case Encoding.IQ2_XXS _, Encoding.IQ3_S _ -> 1 << 10;
      case Encoding.IQ3_XXS _ -> 512;
      default -> 0;
    };
  }

  /** Dynamic shared memory of matvec: its share of x, and sums. */
  static long matvec(long tokens, int chunk, long chunks, int splits) {
    long units = chunk * Math.ceilDiv(chunks, (long) splits);
    return tokens * (128 * units + 64) + 64 * units + 8192;
  }

  /** Encodings whose large tiles are of 64 rows: those that need more registers to decode. */
  static boolean narrow(Encoding encoding) {
    return switch (encoding) {
      case Encoding.Q4_0 _, Encoding.Q4_K _ -> false;
      default -> true;
    };
  }

  /**
   * Dynamic shared memory of gemm: stages of x, and of weights where those are {@code copied}
   * ahead; what is left is scales.
   */
  static long gemm(Encoding encoding, int rows, int columns, boolean copied) {
    long slot = copied ? slot(encoding) : 0;
    long stages = copied && slot <= 24 ? 4 : 3;
    return stages * 128 * (columns + slot) + 4L * columns + (long) scaleBytes(encoding) * rows;
  }

  /**
   * Dynamic shared memory of gemm by wgmma: stages of x, 128 rows of 64 numbers, aligned to a
   * kilobyte; and of 256 rows of weights, two by a tile of 256 columns, or one of 64 for each of x.
   */
  static long wgmma(Encoding encoding) {
    long x = 16 << 10;
    boolean wide = Tiles.cols(encoding) == 256;
    long weights = 256L / Tiles.ROWS * Tiles.bytes(encoding) * (wide ? 1 : 2);
    long stages = wide ? 5 : Math.min(5, (225 << 10) / (x + weights));
    return 1024 + stages * x + (wide ? 2 : stages) * weights;
  }

  /**
   * Bytes of two units of weights that come to a lane, its share of the scales in them included.
   */
  private static int slot(Encoding encoding) {
    return switch (encoding) {
      case Encoding.IQ1_S _, Encoding.IQ1_M _ -> 6;
      case Encoding.IQ2_XXS _, Encoding.IQ2_XS _, Encoding.Q2_0 _, Encoding.TQ2_0 _ -> 8;
      case Encoding.Q2_K _ -> 8;
      case Encoding.IQ2_S _ -> 9;
      case Encoding.IQ3_XXS _, Encoding.Q3_K _ -> 12;
      case Encoding.IQ3_S _ -> 13;
      case Encoding.Q5_K _ -> 20;
      case Encoding.Q5_0 _, Encoding.Q6_K _ -> 24;
      case Encoding.Q8_0 _, Encoding.Fp8Tiled _ -> 32;
      case Encoding.Plain _ -> 64;
      default -> 16;
    };
  }

  /** Bytes of scales a row of a tile keeps on chip. */
  private static int scaleBytes(Encoding encoding) {
    return switch (encoding) {
      case Encoding.Plain _ -> 0;
      case Encoding.Q2_K _, Encoding.Q3_K _, Encoding.Q6_K _ -> 32;
      case Encoding.IQ1_M _, Encoding.IQ2_XS _, Encoding.IQ2_S _, Encoding.NVFP4 _ -> 32;
      default -> 16;
    };
  }
}
