package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.EIGHT;
import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Lanes.shl;
import static dev.yuzui.backend.cpu.Lanes.shr;
import static dev.yuzui.backend.cpu.Lanes.toFloat;
import static dev.yuzui.backend.cpu.Lanes.u8;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Rows of 256-element blocks, taken apart into what all of them are: a code of a byte for each
 * element, in order, and a scale and an offset for each sub-block of 16 or 32, so that an element
 * is scale · code + offset. Bit fields are moved 32 bytes at a time, which costs little beside the
 * conversion to floats that follows, and every product and decoder after this is the same loop.
 *
 * <p>A row lies at {@code to}: scales and offsets, then codes, {@link #rowBytes} in all. Sub-blocks
 * of 16: all scales, then all offsets. Sub-blocks of 32: eight scales and eight offsets a block.
 * Scales and codes are unpacked by methods of their own to stay within what the compiler inlines.
 */
final class SuperBlocks {
  private static final int NIBBLES = 0x0f0f0f0f;
  private static final int PAIRS = 0x03030303;
  private static final int BITS = 0x01010101;

  private static final VectorSpecies<Integer> FOUR = IntVector.SPECIES_128;
  private static final VectorShuffle<Integer> K4_FIRST = VectorShuffle.fromValues(FOUR, 1, 3, 2, 3);
  private static final VectorShuffle<Integer> K4_SECOND =
      VectorShuffle.fromValues(FOUR, 1, 1, 2, 2);
  private static final IntVector K4_SHIFT = four(0, 0, 0, 4);
  private static final IntVector K4_LOWER = four(0x3f3f3f3f, NIBBLES, 0x3f3f3f3f, NIBBLES);
  private static final IntVector K4_UPPER = four(0, 0x30303030, 0, 0x30303030);

  private SuperBlocks() {}

  private static IntVector four(int... values) {
    return IntVector.fromArray(FOUR, values, 0);
  }

  static long rowBytes(int cols) {
    return codes(cols) + cols;
  }

  /** Where a row's offsets begin, for sub-blocks of 16. */
  static long offsets(int cols) {
    return cols / 4;
  }

  /** Where a row's codes begin. */
  static long codes(int cols) {
    return cols / 2;
  }

  private static IntVector load(long at) {
    return IntVector.fromMemorySegment(IntVector.SPECIES_256, Memory.ALL, at, Memory.LE);
  }

  private static void store(IntVector v, long at) {
    v.intoMemorySegment(Memory.ALL, at, Memory.LE);
  }

  private static void store(FloatVector v, long at) {
    v.intoMemorySegment(Memory.ALL, at, Memory.LE);
  }

  // ---- codes ------------------------------------------------------------------------------------

  static void q4kCodes(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long out = to + r * rowBytes(cols) + codes(cols);
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 144L;
        long at = out + block * 256L;
        for (int p = 0; p < 4; p++) {
          IntVector v = load(b + 16 + 32 * p);
          store(v.and(NIBBLES), at + 64 * p);
          store(shr(v, 4).and(NIBBLES), at + 64 * p + 32);
        }
      }
      w += stride;
    }
  }

  static void q5kCodes(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long out = to + r * rowBytes(cols) + codes(cols);
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 176L;
        long at = out + block * 256L;
        for (int p = 0; p < 4; p++) {
          IntVector v = load(b + 48 + 32 * p);
          IntVector h = shr(load(b + 16), 2 * p);
          store(v.and(NIBBLES).or(shl(h.and(BITS), 4)), at + 64 * p);
          store(shr(v, 4).and(NIBBLES).or(shl(shr(h, 1).and(BITS), 4)), at + 64 * p + 32);
        }
      }
      w += stride;
    }
  }

  static void q6kCodes(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long out = to + r * rowBytes(cols) + codes(cols);
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 210L;
        long at = out + block * 256L;
        for (int i = 0; i < 4; i++) {
          // elements 128·n + 32·k + l and 64 more, with i = 2·n + k
          IntVector low = load(b + 32 * i);
          IntVector high = shr(load(b + 128 + 16 * (i & 2)), 2 * (i & 1));
          long o = at + 64 * (i & 2) + 32 * (i & 1);
          store(low.and(NIBBLES).or(shl(high.and(PAIRS), 4)), o);
          store(shr(low, 4).and(NIBBLES).or(high.and(PAIRS << 4)), o + 64);
        }
      }
      w += stride;
    }
  }

  static void q2kCodes(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long out = to + r * rowBytes(cols) + codes(cols);
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 84L;
        long at = out + block * 256L;
        for (int i = 0; i < 8; i++) {
          IntVector v = load(b + 16 + 8 * (i & 4));
          store(shr(v, 2 * (i & 3)).and(PAIRS), at + 32 * i);
        }
      }
      w += stride;
    }
  }

  static void q3kCodes(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long out = to + r * rowBytes(cols) + codes(cols);
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 110L;
        long at = out + block * 256L;
        for (int i = 0; i < 8; i++) {
          IntVector low = shr(load(b + 32 + 8 * (i & 4)), 2 * (i & 3)).and(PAIRS);
          store(low.or(shl(shr(load(b), i).and(BITS), 2)), at + 32 * i);
        }
      }
      w += stride;
    }
  }

  // ---- scales and offsets -----------------------------------------------------------------------

  static void q4kScales(long w, long stride, int rows, int cols, long to) {
    k4Scales(w, stride, rows, cols, to, 144);
  }

  static void q5kScales(long w, long stride, int rows, int cols, long to) {
    k4Scales(w, stride, rows, cols, to, 176);
  }

  static IntVector k4Words(long at) {
    return IntVector.fromMemorySegment(FOUR, Memory.ALL, at, Memory.LE);
  }

  /**
   * Eight six-bit scales and eight minima, a byte each, from the words (d and min, s, m, h): scale
   * 0–3 are the low bits of s, minimum 0–3 of m; 4–7 take four bits of h and the upper two of s and
   * m.
   */
  static IntVector k4Packed(IntVector words) {
    return words
        .rearrange(K4_FIRST)
        .lanewise(VectorOperators.LSHR, K4_SHIFT)
        .and(K4_LOWER)
        .or(shr(words.rearrange(K4_SECOND), 2).and(K4_UPPER));
  }

  private static void k4Scales(long w, long stride, int rows, int cols, long to, int bytes) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * rowBytes(cols);
      long packed = scales + codes(cols);
      for (int i = 0; i < cols / 256; i++) {
        IntVector words = k4Words(w + i * (long) bytes);
        store(k4Packed(words), packed);
        int halves = words.lane(0);
        float d = Float.float16ToFloat((short) halves);
        float min = Float.float16ToFloat((short) (halves >>> 16));
        store(eight(packed).mul(d), scales + i * 64L);
        store(eight(packed + 8).mul(-min), scales + i * 64L + 32);
      }
      w += stride;
    }
  }

  private static FloatVector eight(long at) {
    return (FloatVector)
        ByteVector.fromMemorySegment(ByteVector.SPECIES_64, Memory.ALL, at, Memory.LE)
            .convertShape(VectorOperators.B2F, EIGHT, 0);
  }

  static void q6kScales(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * rowBytes(cols);
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 210L;
        float d = Memory.f16(b + 208);
        for (int i = 0; i < 16; i += L) {
          FloatVector scale = toFloat(Lanes.i8(b + 192 + i)).mul(d);
          store(scale, scales + 64 * block + 4 * i);
          store(scale.mul(-32), scales + offsets(cols) + 64 * block + 4 * i);
        }
      }
      w += stride;
    }
  }

  static void q2kScales(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * rowBytes(cols);
      for (int block = 0; block < cols / 256; block++) {
        long b = w + block * 84L;
        float d = Memory.f16(b + 80);
        float min = Memory.f16(b + 82);
        for (int i = 0; i < 16; i += L) {
          IntVector packed = u8(b + i);
          store(toFloat(packed.and(15)).mul(d), scales + 64 * block + 4 * i);
          store(toFloat(shr(packed, 4)).mul(-min), scales + offsets(cols) + 64 * block + 4 * i);
        }
      }
      w += stride;
    }
  }

  static void q3kScales(long w, long stride, int rows, int cols, long to) {
    for (int r = 0; r < rows; r++) {
      long scales = to + r * rowBytes(cols);
      for (long b = w + r * stride; b < w + (r + 1) * stride; b += 110) {
        float d = Memory.f16(b + 108);
        for (int i = 0; i < 16; i++) {
          int low = Memory.u8(b + 96 + i % 8) >> 4 * (i / 8) & 15;
          int high = Memory.u8(b + 104 + i % 4) >> 2 * (i / 4) & 3;
          float scale = d * ((low | high << 4) - 32);
          Memory.f32(scales, scale);
          Memory.f32(scales + offsets(cols), -4 * scale);
          scales += 4;
        }
      }
    }
  }
}
