package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Grid;

/**
 * Rows of the IQ1, IQ2 and IQ3 formats taken apart for {@link CodedRows}, eight codes at a time in
 * the bytes of a long. Meaning: {@code Dequantizer}.
 */
final class GridRows {
  private static final long ONES = 0x0101_0101_0101_0101L;
  private static final long TOPS = 0x8080_8080_8080_8080L;

  /** Eight times the grid's −1, 0, 1, for a shift of an eighth is ±1 beside them. */
  private static final long[] IQ1 = eights(Grid.IQ1, 8);

  private static final long[] IQ2_XXS = eights(Grid.IQ2_XXS, 1);
  private static final long[] IQ2_XS = eights(Grid.IQ2_XS, 1);
  private static final long[] IQ2_S = eights(Grid.IQ2_S, 1);
  private static final long[] IQ3_XXS = eights(Grid.IQ3_XXS, 1);
  private static final long[] IQ3_S = eights(Grid.IQ3_S, 1);

  /** A byte of ones for each minus of eight signs. */
  private static final long[] MINUS = minus();

  private GridRows() {}

  /** An entry's numbers as bytes, the first the lowest; those of four leave the upper half zero. */
  private static long[] eights(Grid grid, int by) {
    long[] out = new long[grid.numbers().length / grid.run()];
    for (int i = 0; i < out.length; i++) {
      for (int j = 0; j < grid.run(); j++) {
        out[i] |= (by * grid.number(i, j) & 0xffL) << 8 * j;
      }
    }
    return out;
  }

  private static long[] minus() {
    long[] out = new long[256];
    for (int i = 0; i < 256; i++) {
      for (int j = 0; j < 8; j++) {
        out[i] |= (i >> j & 1) * 0xffL << 8 * j;
      }
    }
    return out;
  }

  /** Of magnitudes, none of which is zero: nothing is carried from byte to byte. */
  private static long signed(long magnitudes, int signs) {
    long minus = MINUS[signs];
    return (magnitudes ^ minus) + (minus & ONES);
  }

  /** Each byte plus one or minus one. */
  private static long shifted(long eights, boolean down) {
    return down ? (eights & ~TOPS) + ~TOPS ^ ~eights & TOPS : eights | ONES;
  }

  static void iq2xxs(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 32) {
        long b = w + r * stride + c / 256 * 66L;
        int i = c >> 5 & 7;
        int bits = Memory.i32(b + 6 + 8 * i);
        float scale = Memory.f16(b) * (0.5f + (bits >>> 28)) * 0.25f;
        both(scales + c / 4, scale, scale);
        for (int l = 0; l < 4; l++) {
          long eight = IQ2_XXS[Memory.u8(b + 2 + 8 * i + l)];
          Memory.i64(codes + c + 8 * l, signed(eight, Grid.signs(bits >>> 7 * l & 127)));
        }
      }
    }
  }

  static void iq2xs(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 32) {
        long b = w + r * stride + c / 256 * 74L;
        int i = c >> 5 & 7;
        halves(scales + c / 4, Memory.f16(b), Memory.u8(b + 66 + i));
        for (int l = 0; l < 4; l++) {
          int q = Memory.i16(b + 2 + 8 * i + 2 * l) & 0xffff;
          Memory.i64(codes + c + 8 * l, signed(IQ2_XS[q & 511], Grid.signs(q >> 9)));
        }
      }
    }
  }

  static void iq2s(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 32) {
        long b = w + r * stride + c / 256 * 82L;
        int i = c >> 5 & 7;
        halves(scales + c / 4, Memory.f16(b), Memory.u8(b + 74 + i));
        int high = Memory.u8(b + 66 + i);
        for (int l = 0; l < 4; l++) {
          long eight = IQ2_S[Memory.u8(b + 2 + 4 * i + l) | (high >> 2 * l & 3) << 8];
          Memory.i64(codes + c + 8 * l, signed(eight, Memory.u8(b + 34 + 4 * i + l)));
        }
      }
    }
  }

  static void iq3xxs(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 32) {
        long b = w + r * stride + c / 256 * 98L;
        int i = c >> 5 & 7;
        int bits = Memory.i32(b + 66 + 4 * i);
        float scale = Memory.f16(b) * (0.5f + (bits >>> 28)) * 0.5f;
        both(scales + c / 4, scale, scale);
        for (int l = 0; l < 4; l++) {
          int q = Memory.i16(b + 2 + 8 * i + 2 * l);
          long eight = IQ3_XXS[q & 255] | IQ3_XXS[q >> 8 & 255] << 32;
          Memory.i64(codes + c + 8 * l, signed(eight, Grid.signs(bits >>> 7 * l & 127)));
        }
      }
    }
  }

  static void iq3s(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 32) {
        long b = w + r * stride + c / 256 * 110L;
        int i = c >> 5 & 7;
        float scale = Memory.f16(b) * (1 + 2 * (Memory.u8(b + 106 + i / 2) >> 4 * (i & 1) & 15));
        both(scales + c / 4, scale, scale);
        int high = Memory.u8(b + 66 + i) << 8;
        for (int l = 0; l < 4; l++) {
          int q = Memory.i16(b + 2 + 8 * i + 2 * l);
          int first = q & 255 | high >> 2 * l & 256;
          int second = q >> 8 & 255 | high >> 2 * l + 1 & 256;
          long eight = IQ3_S[first] | IQ3_S[second] << 32;
          Memory.i64(codes + c + 8 * l, signed(eight, Memory.u8(b + 74 + 4 * i + l)));
        }
      }
    }
  }

  static void iq1s(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 32) {
        long b = w + r * stride + c / 256 * 50L;
        int i = c >> 5 & 7;
        int high = Memory.i16(b + 34 + 2 * i);
        float scale = Memory.f16(b) * (2 * (high >> 12 & 7) + 1) * 0.125f;
        both(scales + c / 4, scale, scale);
        for (int l = 0; l < 4; l++) {
          long eight = IQ1[Memory.u8(b + 2 + 4 * i + l) | (high >> 3 * l & 7) << 8];
          Memory.i64(codes + c + 8 * l, shifted(eight, (high & 0x8000) != 0));
        }
      }
    }
  }

  static void iq1m(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 32) {
        long b = w + r * stride + c / 256 * 56L;
        int i = c >> 5 & 7;
        float d = iq1mScale(b) * 0.125f;
        int six = Memory.i16(b + 48 + 2 * (i / 2)) >> 6 * (i & 1);
        both(scales + c / 4, d * (2 * (six & 7) + 1), d * (2 * (six >> 3 & 7) + 1));
        int high = Memory.i16(b + 32 + 2 * i);
        for (int l = 0; l < 4; l++) {
          long eight = IQ1[Memory.u8(b + 4 * i + l) | (high >> 4 * l & 7) << 8];
          Memory.i64(codes + c + 8 * l, shifted(eight, (high >> 4 * l & 8) != 0));
        }
      }
    }
  }

  /** An F16 in the upper four bits of each of four words, the first the lowest. */
  private static float iq1mScale(long b) {
    long words = Memory.i64(b + 48);
    long bits = words >>> 12 & 15 | words >>> 24 & 0xf0 | words >>> 36 & 0xf00;
    return Float.float16ToFloat((short) (bits | words >>> 48 & 0xf000));
  }

  /** Scales of four bits, a nibble for 16 columns. */
  private static void halves(long to, float d, int nibbles) {
    both(to, d * (0.5f + (nibbles & 15)) * 0.25f, d * (0.5f + (nibbles >> 4)) * 0.25f);
  }

  private static void both(long to, float first, float second) {
    Memory.f32(to, first);
    Memory.f32(to + 4, second);
  }
}
