package dev.yuzui.spi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Scalar encoders of the formats that Yuzui itself writes: the KV cache's, and converted weights.
 */
public final class Quantizer {
  private Quantizer() {}

  /**
   * Encodes {@code count} numbers, whole blocks, at byte {@code at} of {@code dst}. F16, BF16 and
   * E4M3 round to nearest even; Q8_0 has d = max|x|/127 as F16 and q = round(x/d) with ties away
   * from zero, as ggml.
   *
   * @throws IllegalArgumentException for encodings other than F32, F16, BF16, E4M3 and Q8_0
   */
  public static void encode(
      Encoding encoding, float[] x, int xOffset, int count, MemorySegment dst, long at) {
    switch (encoding) {
      case Encoding.Plain(Scalar scalar) -> {
        for (int i = 0; i < count; i++) {
          float v = x[xOffset + i];
          switch (scalar) {
            case F32 -> dst.set(Dequantizer.FLOAT, at + 4L * i, v);
            case F16 -> dst.set(Dequantizer.SHORT, at + 2L * i, Float.floatToFloat16(v));
            case BF16 -> dst.set(Dequantizer.SHORT, at + 2L * i, bf16(v));
            case E4M3 -> dst.set(ValueLayout.JAVA_BYTE, at + i, e4m3(v));
            case I32 -> throw new IllegalArgumentException("numbers are not stored as I32");
          }
        }
      }
      case Encoding.Q8_0 _ -> {
        for (int b = 0; b < count / 32; b++) {
          q8Block(x, xOffset + 32 * b, dst, at + 34L * b);
        }
      }
      default -> throw new IllegalArgumentException("Yuzui does not write " + encoding.label());
    }
  }

  /** The upper half of {@code v}, rounded to nearest even; NaN stays NaN. */
  public static short bf16(float v) {
    int bits = Float.floatToRawIntBits(v);
    if (Float.isNaN(v)) {
      return (short) (bits >>> 16 | 0x40);
    }
    return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
  }

  /** The float8_e4m3fn code nearest to {@code v}, ties to even, beyond ±448 that; NaN stays NaN. */
  public static byte e4m3(float v) {
    int sign = Float.floatToRawIntBits(v) >>> 24 & 0x80;
    if (Float.isNaN(v)) {
      return (byte) (sign | 0x7f);
    }
    float size = Math.min(Math.abs(v), 448);
    // numbers below 2^−6 share its steps of 2^−9; a carry into the exponent is what rounding up is
    int exponent = Math.max(Math.getExponent(size), -6);
    int steps = (int) Math.rint(Math.scalb((double) size, 3 - exponent));
    return (byte) (sign | (exponent + 6 << 3) + steps);
  }

  private static void q8Block(float[] x, int o, MemorySegment dst, long at) {
    float max = 0;
    for (int i = 0; i < 32; i++) {
      max = Math.max(max, Math.abs(x[o + i]));
    }
    float d = max / 127f;
    float inverse = d == 0 ? 0 : 1 / d;
    dst.set(Dequantizer.SHORT, at, Float.floatToFloat16(d));
    for (int i = 0; i < 32; i++) {
      float q = x[o + i] * inverse;
      int rounded = (int) (Math.abs(q) + 0.5f);
      dst.set(ValueLayout.JAVA_BYTE, at + 2 + i, (byte) (q < 0 ? -rounded : rounded));
    }
  }
}
