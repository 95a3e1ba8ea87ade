package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Quantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.stream.IntStream;

/** Weights in another encoding than the file's. */
final class Conversion {
  private static final float F16_MAX = 65504;

  private Conversion() {}

  /**
   * The weight in {@code encoding}: itself, or its numbers in {@code arena}, a shared one; empty
   * where F16 cannot hold one of them.
   */
  static Optional<HostTensor> to(Encoding encoding, HostTensor w, Arena arena) {
    if (encoding.equals(w.encoding())) {
      return Optional.of(w);
    }
    int cols = Math.toIntExact(w.cols());
    long rowBytes = encoding.rowBytes(cols);
    MemorySegment out = arena.allocate(encoding.byteSize(w.rows(), cols), 64);
    boolean fits =
        IntStream.range(0, Math.toIntExact(w.rows()))
            .parallel()
            .mapToObj(
                r -> {
                  float[] row = new float[cols];
                  Dequantizer.row(w, r, row, 0);
                  Quantizer.encode(encoding, row, 0, cols, out, r * rowBytes);
                  return encoding.equals(Encoding.F32) || fitsF16(row);
                })
            .reduce(true, Boolean::logicalAnd);
    return fits
        ? Optional.of(HostTensor.of(w.name(), encoding, w.rows(), w.cols(), out))
        : Optional.empty();
  }

  private static boolean fitsF16(float[] row) {
    for (float v : row) {
      if (Math.abs(v) > F16_MAX) {
        return false;
      }
    }
    return true;
  }
}
