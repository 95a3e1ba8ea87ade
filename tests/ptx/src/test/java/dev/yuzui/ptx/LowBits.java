package dev.yuzui.ptx;

import dev.yuzui.spi.Grid;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Blocks of few bits a weight, decoded from their published layouts (ggml-common.h); of the project
 * only the grids' entries are taken, which are facts of the formats.
 */
final class LowBits {
  /** Magnitudes of e2m1. */
  private static final double[] E2M1 = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

  private final ByteBuffer b;
  private final int at;
  private final double[] w;
  private final int to;

  private LowBits(byte[] row, int at, double[] w, int to) {
    this.b = ByteBuffer.wrap(row).order(ByteOrder.LITTLE_ENDIAN);
    this.at = at;
    this.w = w;
    this.to = to;
  }

  static void decode(WeightFormat format, byte[] row, int at, double[] w, int to) {
    LowBits block = new LowBits(row, at, w, to);
    switch (format) {
      case IQ1_S -> block.iq1s();
      case IQ1_M -> block.iq1m();
      case IQ2_XXS -> block.iq2xxs();
      case IQ2_XS -> block.iq2xs();
      case IQ2_S -> block.iq2s();
      case IQ3_XXS -> block.iq3xxs();
      case IQ3_S -> block.iq3s();
      case MXFP4 -> block.floats(0, Math.scalb(1.0, block.u8(0) - 127), 1, 16);
      case NVFP4 -> {
        for (int i = 0; i < 4; i++) {
          double scale = block.u8(i) == 0x7f ? 0 : WeightFormat.e4m3(block.u8(i) & 0x7f);
          block.floats(16 * i, scale, 4 + 8 * i, 8);
        }
      }
      case Q2_0 -> {
        for (int i = 0; i < 64; i++) {
          w[to + i] = block.half(0) * ((block.u8(2 + i / 4) >> 2 * (i % 4) & 3) - 1);
        }
      }
      case TQ2_0 -> {
        for (int i = 0; i < 256; i++) {
          int q = block.u8(i / 128 * 32 + i % 32) >> 2 * (i / 32 % 4) & 3;
          w[to + i] = block.half(64) * (q - 1);
        }
      }
      case Q2_K -> {
        for (int i = 0; i < 256; i++) {
          int q = block.u8(16 + i / 128 * 32 + i % 32) >> 2 * (i / 32 % 4) & 3;
          int own = block.u8(i / 16);
          w[to + i] = block.half(80) * (own & 15) * q - block.half(82) * (own >> 4);
        }
      }
      case Q3_K -> {
        for (int i = 0; i < 256; i++) {
          int low = block.u8(32 + i / 128 * 32 + i % 32) >> 2 * (i / 32 % 4) & 3;
          int high = block.u8(i % 32) >> i / 32 & 1;
          w[to + i] = block.half(108) * block.sixBits(i / 16) * (low + 4 * high - 4);
        }
      }
      default -> throw new IllegalArgumentException(format + " has more bits");
    }
  }

  /** Where the scale of a block of one F16 lies. */
  static int scaleAt(WeightFormat format) {
    return switch (format) {
      case TQ2_0 -> 64;
      case Q3_K -> 108;
      default -> 0;
    };
  }

  /** What a scale of 1 makes of the largest code, about. */
  static float unit(WeightFormat format) {
    return switch (format) {
      case IQ1_S, IQ1_M -> 15;
      case IQ2_XXS, IQ2_XS, IQ2_S -> 43 * 4;
      case IQ3_XXS -> 62 * 8;
      case IQ3_S -> 15 * 31;
      case Q3_K -> 4 * 32;
      default -> 1;
    };
  }

  private int u8(int i) {
    return b.get(at + i) & 0xff;
  }

  private int u16(int i) {
    return b.getShort(at + i) & 0xffff;
  }

  private double half(int i) {
    return Float.float16ToFloat(b.getShort(at + i));
  }

  /** Scale {@code group} of Q3_K: its lower four bits in eight bytes, its upper two in four. */
  private int sixBits(int group) {
    int low = u8(96 + group % 8) >> 4 * (group / 8) & 15;
    return (low | (u8(104 + group % 4) >> 2 * (group / 4) & 3) << 4) - 32;
  }

  private void floats(int first, double scale, int codes, int bytes) {
    for (int j = 0; j < 2 * bytes; j++) {
      int q = u8(codes + j % bytes) >> 4 * (j / bytes) & 15;
      w[to + first + j] = (q > 7 ? -1 : 1) * scale * E2M1[q & 7];
    }
  }

  private void run(Grid grid, int first, int entry, double scale, int signs) {
    for (int i = 0; i < grid.run(); i++) {
      double value = scale * grid.number(entry, i);
      w[to + first + i] = (signs >> i & 1) == 1 ? -value : value;
    }
  }

  /** The eighth sign makes the number of minuses even. */
  private static int even(int seven) {
    return seven | Integer.bitCount(seven) % 2 << 7;
  }

  private void iq2xxs() {
    for (int l = 0; l < 32; l++) {
      int bits = b.getInt(at + 6 + 8 * (l / 4));
      double scale = half(0) * (0.5 + (bits >>> 28)) / 4;
      run(Grid.IQ2_XXS, 8 * l, u8(2 + 8 * (l / 4) + l % 4), scale, even(bits >> l % 4 * 7 & 127));
    }
  }

  private void iq2xs() {
    for (int l = 0; l < 32; l++) {
      int q = u16(2 + 2 * l);
      double scale = half(0) * (0.5 + (u8(66 + l / 4) >> 4 * (l % 4 / 2) & 15)) / 4;
      run(Grid.IQ2_XS, 8 * l, q & 511, scale, even(q >> 9));
    }
  }

  private void iq2s() {
    for (int l = 0; l < 32; l++) {
      int entry = u8(2 + l) | (u8(66 + l / 4) >> 2 * (l % 4) & 3) << 8;
      double scale = half(0) * (0.5 + (u8(74 + l / 4) >> 4 * (l % 4 / 2) & 15)) / 4;
      run(Grid.IQ2_S, 8 * l, entry, scale, u8(34 + l));
    }
  }

  private void iq3xxs() {
    for (int l = 0; l < 64; l++) {
      int bits = b.getInt(at + 66 + 4 * (l / 8));
      double scale = half(0) * (0.5 + (bits >>> 28)) / 2;
      int signs = even(bits >> l % 8 / 2 * 7 & 127) >> 4 * (l % 2);
      run(Grid.IQ3_XXS, 4 * l, u8(2 + l), scale, signs);
    }
  }

  private void iq3s() {
    for (int l = 0; l < 64; l++) {
      int entry = u8(2 + l) | (u8(66 + l / 8) >> l % 8 & 1) << 8;
      double scale = half(0) * (1 + 2 * (u8(106 + l / 16) >> 4 * (l / 8 % 2) & 15));
      run(Grid.IQ3_S, 4 * l, entry, scale, u8(74 + l / 2) >> 4 * (l % 2));
    }
  }

  private void shifted(int l, int entry, double scale, boolean down) {
    for (int i = 0; i < 8; i++) {
      w[to + 8 * l + i] = scale * (Grid.IQ1.number(entry, i) + (down ? -0.125 : 0.125));
    }
  }

  private void iq1s() {
    for (int l = 0; l < 32; l++) {
      int high = u16(34 + 2 * (l / 4));
      double scale = half(0) * (2 * (high >> 12 & 7) + 1);
      shifted(l, u8(2 + l) | (high >> 3 * (l % 4) & 7) << 8, scale, high > 0x7fff);
    }
  }

  private void iq1m() {
    int bits = 0;
    for (int i = 0; i < 4; i++) {
      bits |= u16(48 + 2 * i) >> 12 << 4 * i;
    }
    double d = Float.float16ToFloat((short) bits);
    for (int l = 0; l < 32; l++) {
      int high = u8(32 + l / 2) >> 4 * (l % 2);
      int scale = u16(48 + l / 8 * 2) >> 3 * (l / 2 % 4) & 7;
      shifted(l, u8(l) | (high & 7) << 8, d * (2 * scale + 1), (high & 8) != 0);
    }
  }
}
