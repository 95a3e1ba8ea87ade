package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.Scalar;

/**
 * {@link Quantizer} on addresses, bit for bit, for cache entries: once per token and layer, so
 * plain loops do.
 */
final class EntryEncoder {
  private EntryEncoder() {}

  static void encode(Encoding encoding, long x, int count, long out) {
    switch (encoding) {
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.F32 ->
          Memory.copy(x, out, 4L * count);
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.F16 -> {
        for (int i = 0; i < count; i++) {
          Memory.i16(out + 2L * i, Float.floatToFloat16(Memory.f32(x + 4L * i)));
        }
      }
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.BF16 -> {
        for (int i = 0; i < count; i++) {
          Memory.i16(out + 2L * i, Quantizer.bf16(Memory.f32(x + 4L * i)));
        }
      }
      case Encoding.Plain(Scalar scalar) when scalar == Scalar.E4M3 -> {
        for (int i = 0; i < count; i++) {
          Memory.i8(out + i, Quantizer.e4m3(Memory.f32(x + 4L * i)));
        }
      }
      case Encoding.Q8_0 _ -> {
        for (int b = 0; b < count / 32; b++) {
          q8(x + 128L * b, out + 34L * b);
        }
      }
      default -> throw new IllegalArgumentException("no cache is " + encoding.label());
    }
  }

  private static void q8(long x, long out) {
    float max = 0;
    for (int i = 0; i < 32; i++) {
      max = Math.max(max, Math.abs(Memory.f32(x + 4L * i)));
    }
    float d = max / 127f;
    float inverse = d == 0 ? 0 : 1 / d;
    Memory.i16(out, Float.floatToFloat16(d));
    for (int i = 0; i < 32; i++) {
      float q = Memory.f32(x + 4L * i) * inverse;
      int rounded = (int) (Math.abs(q) + 0.5f);
      Memory.i8(out + 2 + i, (byte) (q < 0 ? -rounded : rounded));
    }
  }
}
