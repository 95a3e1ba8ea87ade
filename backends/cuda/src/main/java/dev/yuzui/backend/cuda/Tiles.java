package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import java.util.Locale;
import java.util.Set;

/**
 * How weights lie on the device. F32 as in the file; all other encodings in tiles of 16 rows by 32
 * or 256 columns, the tiles of 16 rows contiguous, padded with zeros, so that a warp reads its part
 * of a tile in one coalesced piece (native-kernels/cuda/weights.cuh). FP8's scales follow at the
 * next multiple of {@link #ALIGN}.
 */
final class Tiles {
  static final int ROWS = 16;
  static final long ALIGN = 256;

  /** What kernels multiply. */
  static final Set<Encoding> ENCODINGS =
      Set.of(
          Encoding.F32,
          Encoding.F16,
          Encoding.BF16,
          Encoding.FP8,
          new Encoding.Q4_0(),
          new Encoding.Q5_0(),
          new Encoding.Q8_0(),
          new Encoding.Q4_K(),
          new Encoding.Q5_K(),
          new Encoding.Q6_K(),
          new Encoding.IQ4_XS(),
          new Encoding.IQ1_S(),
          new Encoding.IQ1_M(),
          new Encoding.IQ2_XXS(),
          new Encoding.IQ2_XS(),
          new Encoding.IQ2_S(),
          new Encoding.IQ3_XXS(),
          new Encoding.IQ3_S(),
          new Encoding.TQ2_0(),
          new Encoding.Q2_0(),
          new Encoding.Q2_K(),
          new Encoding.Q3_K(),
          new Encoding.MXFP4(),
          new Encoding.NVFP4());

  private Tiles() {}

  /** The encoding that a weight in {@code encoding} gets on the device. */
  static Encoding kept(Encoding encoding) {
    if (ENCODINGS.contains(encoding)) {
      return encoding;
    }
    return Lossless.of(encoding).orElse(Encoding.F16);
  }

  /** As kernel names spell it. */
  static String suffix(Encoding encoding) {
    return encoding.equals(Encoding.FP8) ? "fp8" : encoding.label().toLowerCase(Locale.ROOT);
  }

  /** Columns of a tile. */
  static int cols(Encoding encoding) {
    return Math.max(32, encoding.blockElements());
  }

  /** Bytes of a tile. */
  static int bytes(Encoding encoding) {
    return ROWS * encoding.blockBytes() * cols(encoding) / encoding.blockElements();
  }

  /** Bytes of the tiles of {@code rows} rows. */
  static long tileBytes(Encoding encoding, long rows, long cols) {
    return Math.ceilDiv(rows, (long) ROWS)
        * Math.ceilDiv(cols, (long) cols(encoding))
        * bytes(encoding);
  }

  /** Bytes of a whole matrix, FP8 scales included. */
  static long matrixBytes(Encoding encoding, long rows, long cols) {
    return switch (encoding) {
      case Encoding.Fp8Tiled fp8 ->
          aligned(tileBytes(encoding, rows, cols)) + 4 * fp8.scaleCount(rows, cols);
      case Encoding e when e.equals(Encoding.F32) -> e.byteSize(rows, cols);
      default -> tileBytes(encoding, rows, cols);
    };
  }

  static long aligned(long bytes) {
    return Math.ceilDiv(bytes, ALIGN) * ALIGN;
  }
}
