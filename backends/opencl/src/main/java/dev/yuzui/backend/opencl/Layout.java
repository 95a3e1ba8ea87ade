package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Encoding;
import java.util.Locale;

/**
 * How weights lie on the device: as in the file, in its encoding. FP8's scales follow its codes at
 * the next multiple of {@link #ALIGN}; experts of a projection lie at equal distances, multiples of
 * it too.
 */
final class Layout {
  static final long ALIGN = 256;

  private Layout() {}

  /** As kernels spell it. */
  static String suffix(Encoding encoding) {
    return encoding.label().toLowerCase(Locale.ROOT);
  }

  /** Where an FP8 matrix's scales begin, counted from its first code. */
  static long scalesAt(long rows, long cols) {
    return aligned(rows * cols);
  }

  /** Bytes of a whole matrix, FP8 scales included. */
  static long matrixBytes(Encoding encoding, long rows, long cols) {
    return encoding instanceof Encoding.Fp8Tiled fp8
        ? scalesAt(rows, cols) + 4 * fp8.scaleCount(rows, cols)
        : encoding.byteSize(rows, cols);
  }

  static long aligned(long bytes) {
    return Math.ceilDiv(bytes, ALIGN) * ALIGN;
  }
}
