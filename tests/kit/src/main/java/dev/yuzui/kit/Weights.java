package dev.yuzui.kit;

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

/** Weights of every encoding, made of valid random blocks rather than of rounded numbers. */
public final class Weights {
  /** What the blocks of a row look like. */
  enum Kind {
    RANDOM,
    ZERO_SCALE,
    MAX_CODES,
    DENORMAL_SCALE,
    NEGATIVE_SCALE
  }

  private Weights() {}

  public static HostTensor random(Arena arena, Encoding encoding, int rows, int cols, long seed) {
    return rows(arena, encoding, rows, cols, seed, false);
  }

  /** Each row of another {@link Kind}. */
  public static HostTensor special(Arena arena, Encoding encoding, int rows, int cols, long seed) {
    return rows(arena, encoding, rows, cols, seed, true);
  }

  /** {@code values} as F32, F16, BF16 or Q8_0. */
  public static HostTensor of(
      Arena arena, String name, Encoding encoding, int rows, int cols, float[] values) {
    MemorySegment data = allocate(arena, encoding, rows, cols);
    Quantizer.encode(encoding, values, 0, rows * cols, data, 0);
    return HostTensor.of(name, encoding, rows, cols, data);
  }

  /**
   * Aligned to an element and no better: experts within a file lie one behind the other, blocks of
   * 34 bytes on even addresses, FP8 and blocks of 17 on any.
   */
  private static MemorySegment allocate(Arena arena, Encoding encoding, int rows, int cols) {
    long bytes = encoding.byteSize(rows, cols);
    long alignment = encoding.equals(Encoding.F32) ? 4 : 2 - encoding.blockBytes() % 2;
    return arena.allocate(bytes + alignment, 64).asSlice(alignment, bytes);
  }

  private static HostTensor rows(
      Arena arena, Encoding encoding, int rows, int cols, long seed, boolean special) {
    Random random = new Random(seed);
    MemorySegment data = allocate(arena, encoding, rows, cols);
    String name = "w_" + encoding.label();
    switch (encoding) {
      case Encoding.Plain _ -> {
        float[] x = new float[rows * cols];
        for (int i = 0; i < x.length; i++) {
          Kind kind = special ? kind(i / cols) : Kind.RANDOM;
          x[i] = (float) random.nextGaussian() * scale(kind);
        }
        return of(arena, name, encoding, rows, cols, x);
      }
      case Encoding.Fp8Tiled fp8 -> {
        for (long i = 0; i < data.byteSize(); i++) {
          int code = special && kind((int) (i / cols)) == Kind.MAX_CODES ? 0x7e : code(random);
          data.set(ValueLayout.JAVA_BYTE, i, (byte) code);
        }
        long count = fp8.scaleCount(rows, cols);
        MemorySegment scales = arena.allocate(4 * count, 64);
        for (long i = 0; i < count; i++) {
          scales.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0.001f + 0.02f * random.nextFloat());
        }
        return new HostTensor(name, encoding, rows, cols, data, Optional.of(scales));
      }
      case Encoding.Block blocks -> {
        long perRow = encoding.rowBytes(cols) / encoding.blockBytes();
        for (long b = 0; b < rows * perRow; b++) {
          Kind kind = special ? kind((int) (b / perRow)) : Kind.RANDOM;
          block(blocks, data, b * encoding.blockBytes(), kind, random);
        }
        return HostTensor.of(name, encoding, rows, cols, data);
      }
    }
  }

  private static Kind kind(int row) {
    return Kind.values()[row % Kind.values().length];
  }

  /** Any float8 code but the two NaNs. */
  private static int code(Random random) {
    int code = random.nextInt(256);
    return (code & 0x7f) == 0x7f ? 0 : code;
  }

  private static float scale(Kind kind) {
    return switch (kind) {
      case RANDOM -> 1;
      case ZERO_SCALE -> 0;
      case MAX_CODES -> 1000;
      case DENORMAL_SCALE -> 1e-6f;
      case NEGATIVE_SCALE -> -1;
    };
  }

  private static void block(
      Encoding.Block encoding, MemorySegment data, long at, Kind kind, Random random) {
    for (int i = 0; i < encoding.blockBytes(); i++) {
      int b = kind == Kind.MAX_CODES ? 0xff : random.nextInt(256);
      data.set(ValueLayout.JAVA_BYTE, at + i, (byte) b);
    }
    for (BlockScale scale : encoding.scales()) {
      float sane = 0.001f + 0.05f * random.nextFloat();
      float value =
          switch (kind) {
            case RANDOM, MAX_CODES -> sane;
            case ZERO_SCALE -> 0;
            case DENORMAL_SCALE -> (1 + random.nextInt(0x3ff)) * 0x1p-24f;
            case NEGATIVE_SCALE -> -sane;
          };
      scale.put(data, at, value);
    }
  }

  /** ‖w[n]‖ of every row. */
  static double[] norms(HostTensor w) {
    double[] norms = new double[(int) w.rows()];
    float[] row = new float[(int) w.cols()];
    for (int n = 0; n < norms.length; n++) {
      Dequantizer.row(w, n, row, 0);
      norms[n] = norm(row, 0, row.length);
    }
    return norms;
  }

  static double norm(float[] x, int from, int count) {
    double sum = 0;
    for (int i = from; i < from + count; i++) {
      sum += (double) x[i] * x[i];
    }
    return Math.sqrt(sum);
  }
}
