package dev.yuzui.backend.cpu;

/** From a file's rows to the strips of {@link VectorStrips}. */
final class VectorPack {
  private static final int LOW = 0x0f0f0f0f;
  private static final int ONES = 0x01010101;
  private static final int PAIRS = 0x03030303;

  private VectorPack() {}

  static void pack(StripType type, long file, int rows, int cols, long packed) {
    VectorFormat format = VectorFormat.of(type);
    long rowBytes = format.rowBytes(cols);
    for (int first = 0; first < rows; first += Packed.ROWS) {
      int count = Math.min(Packed.ROWS, rows - first);
      for (int r = 0; r < count; r++) {
        row(type, format, file + (first + r) * rowBytes, cols, packed, r);
      }
      packed += format.stripBytes(cols);
    }
  }

  /** Row r of a strip, whose memory is zero. */
  private static void row(
      StripType type, VectorFormat format, long row, int cols, long strip, int r) {
    int blocks = format.blocks(cols);
    for (int b = 0; b < blocks; b++) {
      int c = b * format.blockColumns();
      long from = row + (long) b * format.fileBytes();
      long codes = strip + format.codes(c) + 4L * r;
      long header = strip + format.header(c, cols);
      switch (type) {
        case Q4_K, Q5_K -> {
          half(from, header + 2L * r);
          half(from + 2, header + 32 + 2L * r);
          sixBits(from + 4, header + 64 + r);
          if (type == StripType.Q4_K) {
            words(from + 16, 32, codes);
          } else {
            q5k(from, codes);
          }
        }
        case Q6_K -> {
          half(from + 208, header + 2L * r);
          for (int j = 0; j < 16; j++) {
            Memory.i8(header + 32 + 16 * j + r, (byte) Memory.i8(from + 192 + j));
          }
          q6k(from, codes);
        }
        case Q8_0 -> {
          half(from, header + 2L * r);
          words(from + 2, 8, codes);
        }
        default -> { // blocks of 32, two a unit
          half(from, header + 2L * r);
          long next = b + 1 < blocks ? from + format.fileBytes() : 0;
          if (b % 2 == 0 && type == StripType.Q4_0) {
            pairs(from + 2, next == 0 ? 0 : next + 2, codes);
          } else if (b % 2 == 0) {
            fifths(from + 2, next == 0 ? 0 : next + 2, codes);
            pairs(from + 6, next == 0 ? 0 : next + 6, codes + 128);
          }
        }
      }
    }
  }

  /** A word's bytes 0, 2, 1, 3: see {@link VectorCodes}. */
  private static void put(long at, int word) {
    Memory.i32(at, word & 0xff0000ff | (word & 0xff00) << 8 | word >>> 8 & 0xff00);
  }

  private static void half(long from, long to) {
    Memory.i16(to, (short) Memory.i16(from));
  }

  private static void words(long from, int count, long to) {
    for (int i = 0; i < count; i++) {
      put(to + 64L * i, Memory.i32(from + 4L * i));
    }
  }

  /** Six-bit scales and, 128 bytes on, minima of Q4_K and Q5_K. */
  private static void sixBits(long s, long to) {
    for (int j = 0; j < 4; j++) {
      int scale = Memory.u8(s + j);
      int minimum = Memory.u8(s + j + 4);
      int low = Memory.u8(s + j + 8);
      Memory.i8(to + 16 * j, (byte) (scale & 63));
      Memory.i8(to + 128 + 16 * j, (byte) (minimum & 63));
      Memory.i8(to + 64 + 16 * j, (byte) (low & 15 | scale >> 6 << 4));
      Memory.i8(to + 192 + 16 * j, (byte) (low >> 4 | minimum >> 6 << 4));
    }
  }

  private static void q5k(long from, long to) {
    for (int p = 0; p < 4; p++) {
      for (int h = 0; h < 2; h++) {
        int upper = 0;
        for (int j = 0; j < 4; j++) {
          int bits = Memory.i32(from + 16 + 16 * h + 4 * j) >>> 2 * p;
          upper |= (bits & ONES) << j | (bits >>> 1 & ONES) << 4 + j;
        }
        put(to + 64 * h, upper);
      }
      words(from + 48 + 32 * p, 8, to + 128);
      to += 640;
    }
  }

  private static void q6k(long from, long to) {
    for (int u = 0; u < 8; u++) {
      int q = u % 4;
      long low = from + u / 4 * 64 + (q & 1) * 32;
      long upper = from + 128 + u / 4 * 32;
      for (int j = 0; j < 2; j++) {
        int bits = 0;
        for (int i = 2 * j; i < 2 * j + 2; i++) {
          int a = Memory.i32(upper + 4 * i) >>> 2 * q & PAIRS;
          int b = Memory.i32(upper + 16 + 4 * i) >>> 2 * q & PAIRS;
          bits |= (a | b << 4) << 2 * (i & 1);
        }
        put(to + 64 * j, bits);
      }
      for (int i = 0; i < 4; i++) {
        int a = Memory.i32(low + 4 * i) >>> (q & 2) * 2 & LOW;
        int b = Memory.i32(low + 16 + 4 * i) >>> (q & 2) * 2 & LOW;
        put(to + 128 + 64 * i, a | b << 4);
      }
      to += 384;
    }
  }

  /** Nibbles of two blocks of 32, of which the second may be missing. */
  private static void pairs(long a, long b, long to) {
    for (int i = 0; i < 4; i++) {
      int first = Memory.i32(a + 4 * i);
      int second = b == 0 ? 0 : Memory.i32(b + 4 * i);
      put(to + 64 * i, first & LOW | (second & LOW) << 4);
      put(to + 64 * (i + 4), first >>> 4 & LOW | second & ~LOW);
    }
  }

  private static void fifths(long a, long b, long to) {
    int first = Memory.i32(a);
    int second = b == 0 ? 0 : Memory.i32(b);
    for (int h = 0; h < 2; h++) {
      int upper = 0;
      for (int j = 0; j < 4; j++) {
        int i = 4 * h + j;
        upper |= spread(first >>> 4 * i) << j | spread(second >>> 4 * i) << 4 + j;
      }
      put(to + 64 * h, upper);
    }
  }

  /** The low four bits, each to a byte of its own. */
  private static int spread(int bits) {
    return (bits & 15) * 0x00204081 & ONES;
  }
}
