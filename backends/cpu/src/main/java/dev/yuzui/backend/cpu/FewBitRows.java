package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BlockScale;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import java.lang.foreign.MemorySegment;

/**
 * Rows of ternary weights, of signs alone and of float4 taken apart for {@link CodedRows}. Meaning:
 * {@code Dequantizer}.
 */
final class FewBitRows {
  private static final long ONES = 0x0101_0101_0101_0101L;
  private static final long TOPS = 0x8080_8080_8080_8080L;
  private static final byte[] E2M1 = Dequantizer.e2m1Doubled();
  private static final float[] E4M3 = e4m3Halved();

  private FewBitRows() {}

  /** Half the values of NVFP4's scales, for its codes are doubled. */
  private static float[] e4m3Halved() {
    BlockScale scale = new Encoding.NVFP4().scales().getFirst();
    float[] out = new float[256];
    for (int i = 0; i < out.length; i++) {
      byte[] code = {(byte) i};
      out[i] = scale.get(MemorySegment.ofArray(code), 0) * 0.5f;
    }
    return out;
  }

  static void mxfp4(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      long b = w + r * stride;
      for (int c = 0; c < cols; c += 32) {
        float scale = Math.scalb(1f, Memory.u8(b) - 128);
        Memory.f32(scales + c / 4, scale);
        Memory.f32(scales + c / 4 + 4, scale);
        nibbles(b + 1, 16, codes + c);
        b += 17;
      }
    }
  }

  static void nvfp4(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 16) {
        long b = w + r * stride + c / 64 * 36L;
        int i = c >> 4 & 3;
        Memory.f32(scales + c / 4, E4M3[Memory.u8(b + i)]);
        nibbles(b + 4 + 8 * i, 8, codes + c);
      }
    }
  }

  private static void nibbles(long from, int bytes, long to) {
    for (int j = 0; j < bytes; j++) {
      int q = Memory.u8(from + j);
      Memory.i8(to + j, E2M1[q & 15]);
      Memory.i8(to + bytes + j, E2M1[q >> 4]);
    }
  }

  static void tq10(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 256) {
        long b = w + r * stride + c / 256 * 54L;
        same(scales + c / 4, Memory.f16(b + 52), 16);
        digits(b, 32, 5, codes + c);
        digits(b + 32, 16, 5, codes + c + 160);
        digits(b + 48, 4, 4, codes + c + 240);
      }
    }
  }

  /** {@code count} ternary digits of each of {@code bytes} bytes. */
  private static void digits(long from, int bytes, int count, long to) {
    for (int m = 0; m < bytes; m++) {
      int rest = Memory.u8(from + m);
      for (int n = 0; n < count; n++) {
        rest *= 3;
        Memory.i8(to + n * bytes + m, (byte) ((rest >> 8) - 1));
        rest &= 255;
      }
    }
  }

  static void tq20(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 256) {
        long b = w + r * stride + c / 256 * 66L;
        same(scales + c / 4, Memory.f16(b + 64), 16);
        for (int i = 0; i < 64; i += 8) {
          long eight = Memory.i64(b + i);
          for (int l = 0; l < 4; l++) {
            long at = codes + c + 4 * (i & 32) + 32 * l + (i & 31);
            Memory.i64(at, lessOne(eight >>> 2 * l & 3 * ONES));
          }
        }
      }
    }
  }

  /** Each byte, 0 to 3, less one. */
  private static long lessOne(long codes) {
    return (codes | TOPS) - ONES ^ TOPS;
  }

  static void q10(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 128) {
        long b = w + r * stride + c / 128 * 18L;
        same(scales + c / 4, Memory.f16(b), 8);
        for (int i = 0; i < 16; i++) {
          Memory.i64(codes + c + 8 * i, lessOne(2 * bits(Memory.u8(b + 2 + i))));
        }
      }
    }
  }

  /** Each of eight bits in a byte of its own: of copies of the byte one bit each, carried up. */
  private static long bits(int eight) {
    return (eight * ONES & 0x8040_2010_0804_0201L) + 0x7f * ONES >>> 7 & ONES;
  }

  static void q20(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * CodedRows.rowBytes(cols);
      long codes = scales + CodedRows.codes(cols);
      for (int c = 0; c < cols; c += 64) {
        long b = w + r * stride + c / 64 * 18L;
        same(scales + c / 4, Memory.f16(b), 4);
        for (int i = 0; i < 16; i++) {
          int q = Memory.u8(b + 2 + i);
          int spread = q & 3 | (q & 12) << 6 | (q & 48) << 12 | (q & 192) << 18;
          Memory.i32(codes + c + 4 * i, (int) lessOne(spread));
        }
      }
    }
  }

  private static void same(long to, float scale, int count) {
    for (int i = 0; i < count; i++) {
      Memory.f32(to + 4 * i, scale);
    }
  }
}
