package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BlockScale;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Quantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.Random;

/** Native memory with random contents. */
final class Native {
  private Native() {}

  static MemorySegment floats(Arena arena, float... values) {
    MemorySegment s = arena.allocate(4L * values.length, 64);
    MemorySegment.copy(values, 0, s, ValueLayout.JAVA_FLOAT, 0, values.length);
    return s;
  }

  static float[] normal(Random random, int count) {
    float[] out = new float[count];
    for (int i = 0; i < count; i++) {
      out[i] = (float) random.nextGaussian();
    }
    return out;
  }

  static float[] floats(MemorySegment s) {
    return s.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
  }

  /** Blocks of random bits whose scales are tame: halves between 2⁻⁶ and 2⁻⁵, no NaN code. */
  static HostTensor weight(Arena arena, Random random, Encoding encoding, int rows, int cols) {
    MemorySegment data = arena.allocate(encoding.byteSize(rows, cols), 64);
    int block = encoding.blockBytes();
    byte[] bytes = new byte[Math.toIntExact(data.byteSize())];
    random.nextBytes(bytes);
    for (int b = 0; b < bytes.length; b += block) {
      switch (encoding) {
        case Encoding.Plain(var scalar) -> {
          float v = (float) random.nextGaussian();
          int bits =
              switch (scalar) {
                case F32 -> Float.floatToRawIntBits(v);
                case F16 -> Float.floatToFloat16(b % 7 == 0 ? v * 1e-6f : v);
                case BF16 -> Float.floatToRawIntBits(v) >>> 16;
                case E4M3 -> Quantizer.e4m3(v);
                case I32 -> random.nextInt();
              };
          for (int i = 0; i < block; i++) {
            bytes[b + i] = (byte) (bits >>> 8 * i);
          }
        }
        case Encoding.Fp8Tiled _ -> bytes[b] &= (byte) ((bytes[b] & 0x78) == 0x78 ? 0xbf : 0xff);
        case Encoding.Block format -> {
          for (BlockScale scale : format.scales()) {
            scale.put(MemorySegment.ofArray(bytes), b, tame(random));
          }
        }
      }
    }
    MemorySegment.copy(bytes, 0, data, ValueLayout.JAVA_BYTE, 0, bytes.length);
    Optional<MemorySegment> scales = Optional.empty();
    if (encoding instanceof Encoding.Fp8Tiled f) {
      scales =
          Optional.of(floats(arena, normal(random, Math.toIntExact(f.scaleCount(rows, cols)))));
    }
    return new HostTensor(encoding.label(), encoding, rows, cols, data, scales);
  }

  private static float tame(Random random) {
    int bits = random.nextInt(0x2400, 0x2800) | (random.nextBoolean() ? 0x8000 : 0);
    return Float.float16ToFloat((short) bits);
  }

  static Matrix matrix(HostTensor w) {
    return new Matrix(
        w.encoding(),
        w.data().address(),
        w.scales().map(MemorySegment::address).orElse(0L),
        (int) w.rows(),
        (int) w.cols(),
        w.encoding().rowBytes(w.cols()));
  }

  /** Σc w[r,c]·x[c] in double, and Σ|w·x|, which rounding errors are measured by. */
  static double[] dot(HostTensor w, int r, float[] x, int at) {
    float[] row = new float[(int) w.cols()];
    Dequantizer.row(w, r, row, 0);
    double sum = 0;
    double size = 0;
    for (int c = 0; c < row.length; c++) {
      sum += (double) row[c] * x[at + c];
      size += Math.abs((double) row[c] * x[at + c]);
    }
    return new double[] {sum, size};
  }
}
