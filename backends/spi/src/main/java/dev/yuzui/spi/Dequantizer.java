package dev.yuzui.spi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The exact meaning of every {@link Encoding}: scalar F32 arithmetic in ggml's order, no fused
 * multiply-add, so that results equal ggml's bit for bit. Kernels are tested against it; speed is
 * theirs.
 */
public final class Dequantizer {
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Values of the sixteen codes of IQ4_NL and IQ4_XS. */
  private static final byte[] IQ4_VALUES = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };

  /** Twice the values of float4_e2m1; the code of −0 is 0. */
  private static final byte[] E2M1_DOUBLED = {
    0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12
  };

  /** First byte, bytes and digits of a byte. */
  private static final int[][] TQ1_RUNS = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};

  private static final float[] E4M3 = e4m3Table();

  private Dequantizer() {}

  /** A copy of {@link #IQ4_VALUES} for kernels. */
  public static byte[] iq4Values() {
    return IQ4_VALUES.clone();
  }

  /** A copy of {@link #E2M1_DOUBLED} for kernels. */
  public static byte[] e2m1Doubled() {
    return E2M1_DOUBLED.clone();
  }

  /** The value of a float8_e4m3fn code: no infinities, 0x7f and 0xff are NaN, at most 448. */
  public static float e4m3(byte code) {
    return E4M3[code & 0xff];
  }

  /** Row {@code row} of {@code tensor} as F32. */
  public static void row(HostTensor tensor, long row, float[] out, int outOffset) {
    int cols = Math.toIntExact(tensor.cols());
    long offset = tensor.encoding().byteSize(row, tensor.cols());
    if (tensor.encoding() instanceof Encoding.Fp8Tiled(int tile)) {
      MemorySegment scales = tensor.scales().orElseThrow();
      long scaleRow = row / tile * Math.ceilDiv(tensor.cols(), tile);
      for (int c = 0; c < cols; c++) {
        float scale = scales.get(FLOAT, 4 * (scaleRow + c / tile));
        out[outOffset + c] = e4m3(tensor.data().get(ValueLayout.JAVA_BYTE, offset + c)) * scale;
      }
      return;
    }
    decode(tensor.encoding(), tensor.data(), offset, cols, out, outOffset);
  }

  /** All of {@code tensor} as F32, row-major. */
  public static float[] all(HostTensor tensor) {
    float[] out = new float[Math.toIntExact(tensor.elements())];
    for (int r = 0; r < tensor.rows(); r++) {
      row(tensor, r, out, Math.toIntExact(r * tensor.cols()));
    }
    return out;
  }

  /**
   * Decodes {@code count} elements, whole blocks, that start at byte {@code at} of {@code src}.
   *
   * @throws IllegalArgumentException for {@link Encoding.Fp8Tiled}, whose scales lie elsewhere
   *     ({@link #row})
   */
  public static void decode(
      Encoding encoding, MemorySegment src, long at, int count, float[] out, int outOffset) {
    int per = encoding.blockElements();
    int bytes = encoding.blockBytes();
    for (int done = 0; done < count; done += per) {
      long b = at + (long) (done / per) * bytes;
      int o = outOffset + done;
      switch (encoding) {
        case Encoding.Plain(Scalar scalar) -> out[o] = plain(scalar, src, b);
        case Encoding.Fp8Tiled _ ->
            throw new IllegalArgumentException("FP8 is decoded by rows: its scales lie apart");
        case Encoding.Q4_0 _ -> q4(src, b + 2, half(src, b), -8, 0, out, o);
        case Encoding.Q4_1 _ -> q4(src, b + 4, half(src, b), 0, half(src, b + 2), out, o);
        case Encoding.Q5_0 _ -> q5(src, b + 6, src.get(INT, b + 2), half(src, b), -16, 0, out, o);
        case Encoding.Q5_1 _ ->
            q5(src, b + 8, src.get(INT, b + 4), half(src, b), 0, half(src, b + 2), out, o);
        case Encoding.Q8_0 _ -> {
          float d = half(src, b);
          for (int i = 0; i < 32; i++) {
            out[o + i] = src.get(ValueLayout.JAVA_BYTE, b + 2 + i) * d;
          }
        }
        case Encoding.Q2_K _ -> q2k(src, b, out, o);
        case Encoding.Q3_K _ -> q3k(src, b, out, o);
        case Encoding.Q4_K _ -> q45k(src, b, false, out, o);
        case Encoding.Q5_K _ -> q45k(src, b, true, out, o);
        case Encoding.Q6_K _ -> q6k(src, b, out, o);
        case Encoding.IQ4_NL _ -> iq4(src, b + 2, half(src, b), out, o);
        case Encoding.IQ4_XS _ -> iq4xs(src, b, out, o);
        case Encoding.IQ1_S _ -> GridBlocks.iq1s(src, b, out, o);
        case Encoding.IQ1_M _ -> GridBlocks.iq1m(src, b, out, o);
        case Encoding.IQ2_XXS _ -> GridBlocks.iq2xxs(src, b, out, o);
        case Encoding.IQ2_XS _ -> GridBlocks.iq2xs(src, b, out, o);
        case Encoding.IQ2_S _ -> GridBlocks.iq2s(src, b, out, o);
        case Encoding.IQ3_XXS _ -> GridBlocks.iq3xxs(src, b, out, o);
        case Encoding.IQ3_S _ -> GridBlocks.iq3s(src, b, out, o);
        case Encoding.TQ1_0 _ -> tq1(src, b, half(src, b + 52), out, o);
        case Encoding.TQ2_0 _ -> tq2(src, b, half(src, b + 64), out, o);
        case Encoding.Q1_0 _ -> q1(src, b + 2, half(src, b), out, o);
        case Encoding.Q2_0 _ -> q2(src, b + 2, half(src, b), out, o);
        case Encoding.MXFP4 _ -> e2m1(src, b + 1, 16, Math.scalb(1f, u8(src, b) - 128), out, o);
        case Encoding.NVFP4 _ -> {
          for (int i = 0; i < 4; i++) {
            float d = BlockScale.ue4m3(u8(src, b + i)) * 0.5f;
            e2m1(src, b + 4 + 8 * i, 8, d, out, o + 16 * i);
          }
        }
      }
    }
  }

  private static float plain(Scalar scalar, MemorySegment src, long b) {
    return switch (scalar) {
      case F32 -> src.get(FLOAT, b);
      case F16 -> half(src, b);
      case BF16 -> Float.intBitsToFloat(src.get(SHORT, b) << 16);
      case E4M3 -> e4m3(src.get(ValueLayout.JAVA_BYTE, b));
      case I32 -> src.get(INT, b);
    };
  }

  static float half(MemorySegment src, long at) {
    return Float.float16ToFloat(src.get(SHORT, at));
  }

  static int u8(MemorySegment src, long at) {
    return src.get(ValueLayout.JAVA_BYTE, at) & 0xff;
  }

  /** Sixteen bytes of nibbles: element j is the low one of byte j, element j+16 the high one. */
  private static void q4(
      MemorySegment src, long qs, float d, int bias, float m, float[] out, int o) {
    for (int j = 0; j < 16; j++) {
      int q = u8(src, qs + j);
      out[o + j] = affine((q & 15) + bias, d, m, bias);
      out[o + j + 16] = affine((q >> 4) + bias, d, m, bias);
    }
  }

  private static void q5(
      MemorySegment src, long qs, int high, float d, int bias, float m, float[] out, int o) {
    for (int j = 0; j < 16; j++) {
      int q = u8(src, qs + j);
      out[o + j] = affine((q & 15 | (high >>> j & 1) << 4) + bias, d, m, bias);
      out[o + j + 16] = affine((q >> 4 | (high >>> (j + 16) & 1) << 4) + bias, d, m, bias);
    }
  }

  /** The symmetric formats have no minimum to add (adding +0 would turn −0 into +0). */
  private static float affine(int q, float d, float m, int bias) {
    return bias != 0 ? q * d : q * d + m;
  }

  private static void q2k(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b + 80);
    float min = half(src, b + 82);
    for (int n = 0; n < 2; n++) {
      for (int s = 0; s < 4; s++) {
        for (int g = 0; g < 2; g++) {
          int sc = u8(src, b + 8 * n + 2 * s + g);
          float dl = d * (sc & 15);
          float ml = min * (sc >> 4);
          for (int l = 0; l < 16; l++) {
            int q = u8(src, b + 16 + 32 * n + 16 * g + l) >> 2 * s & 3;
            out[o++] = dl * q - ml;
          }
        }
      }
    }
  }

  private static void q3k(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b + 108);
    for (int n = 0; n < 2; n++) {
      for (int s = 0; s < 4; s++) {
        for (int g = 0; g < 2; g++) {
          float dl = d * (q3kScale(src, b, 8 * n + 2 * s + g) - 32);
          for (int l = 0; l < 16; l++) {
            int q = u8(src, b + 32 + 32 * n + 16 * g + l) >> 2 * s & 3;
            int high = u8(src, b + 16 * g + l) >> 4 * n + s & 1;
            out[o++] = dl * (q - (high == 1 ? 0 : 4));
          }
        }
      }
    }
  }

  /** Six-bit scale i of a Q3_K block: twelve bytes at 96. */
  private static int q3kScale(MemorySegment src, long b, int i) {
    int low = u8(src, b + 96 + i % 8) >> 4 * (i / 8) & 15;
    int high = u8(src, b + 96 + 8 + i % 4) >> 2 * (i / 4) & 3;
    return low | high << 4;
  }

  private static void q45k(MemorySegment src, long b, boolean five, float[] out, int o) {
    float d = half(src, b);
    float min = half(src, b + 2);
    long qs = b + (five ? 48 : 16);
    for (int j = 0; j < 8; j++) {
      float dl = d * k4Scale(src, b + 4, j);
      float ml = min * k4Min(src, b + 4, j);
      for (int l = 0; l < 32; l++) {
        int q = u8(src, qs + 32 * (j / 2) + l) >> 4 * (j & 1) & 15;
        if (five) {
          q += (u8(src, b + 16 + l) >> j & 1) << 4;
        }
        out[o++] = dl * q - ml;
      }
    }
  }

  /** Six-bit scale j of a Q4_K or Q5_K block whose twelve scale bytes are at {@code s}. */
  private static int k4Scale(MemorySegment src, long s, int j) {
    return j < 4 ? u8(src, s + j) & 63 : u8(src, s + j + 4) & 15 | u8(src, s + j - 4) >> 6 << 4;
  }

  private static int k4Min(MemorySegment src, long s, int j) {
    return j < 4 ? u8(src, s + j + 4) & 63 : u8(src, s + j + 4) >> 4 | u8(src, s + j) >> 6 << 4;
  }

  private static void q6k(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b + 208);
    for (int n = 0; n < 2; n++) {
      for (int k = 0; k < 4; k++) {
        for (int l = 0; l < 32; l++) {
          int low = u8(src, b + 64 * n + 32 * (k & 1) + l) >> 4 * (k >> 1) & 15;
          int high = u8(src, b + 128 + 32 * n + l) >> 2 * k & 3;
          int sc = src.get(ValueLayout.JAVA_BYTE, b + 192 + 8 * n + 2 * k + l / 16);
          out[o++] = d * sc * ((low | high << 4) - 32);
        }
      }
    }
  }

  private static void iq4(MemorySegment src, long qs, float d, float[] out, int o) {
    for (int j = 0; j < 16; j++) {
      int q = u8(src, qs + j);
      out[o + j] = d * IQ4_VALUES[q & 15];
      out[o + j + 16] = d * IQ4_VALUES[q >> 4];
    }
  }

  private static void iq4xs(MemorySegment src, long b, float[] out, int o) {
    float d = half(src, b);
    int high = src.get(SHORT, b + 2);
    for (int i = 0; i < 8; i++) {
      int ls = u8(src, b + 4 + i / 2) >> 4 * (i & 1) & 15 | (high >> 2 * i & 3) << 4;
      iq4(src, b + 8 + 16 * i, d * (ls - 32), out, o + 32 * i);
    }
  }

  /** Nibbles of {@code bytes} bytes, low ones first; {@code d} is half their scale. */
  private static void e2m1(MemorySegment src, long qs, int bytes, float d, float[] out, int o) {
    for (int j = 0; j < bytes; j++) {
      int q = u8(src, qs + j);
      out[o + j] = E2M1_DOUBLED[q & 15] * d;
      out[o + j + bytes] = E2M1_DOUBLED[q >> 4] * d;
    }
  }

  /**
   * A byte v is ⌈256·f/243⌉ for a fraction f of five ternary digits: its n-th is what v·3ⁿ, without
   * what has left the byte, still carries when multiplied by three. Runs of 32 bytes and of 16 have
   * five digits a byte, digit after digit; the last four bytes have four.
   */
  private static void tq1(MemorySegment src, long b, float d, float[] out, int o) {
    for (int[] run : TQ1_RUNS) {
      for (int n = 0, power = 1; n < run[2]; n++, power *= 3) {
        for (int m = 0; m < run[1]; m++) {
          int rest = u8(src, b + run[0] + m) * power & 255;
          out[o++] = ((rest * 3 >> 8) - 1) * d;
        }
      }
    }
  }

  private static void tq2(MemorySegment src, long b, float d, float[] out, int o) {
    for (int i = 0; i < 256; i++) {
      int q = u8(src, b + 32 * (i / 128) + i % 32) >> 2 * (i / 32 % 4) & 3;
      out[o + i] = (q - 1) * d;
    }
  }

  private static void q1(MemorySegment src, long qs, float d, float[] out, int o) {
    for (int i = 0; i < 128; i++) {
      out[o + i] = (u8(src, qs + i / 8) >> i % 8 & 1) == 1 ? d : -d;
    }
  }

  private static void q2(MemorySegment src, long qs, float d, float[] out, int o) {
    for (int i = 0; i < 64; i++) {
      out[o + i] = ((u8(src, qs + i / 4) >> 2 * (i % 4) & 3) - 1) * d;
    }
  }

  private static float[] e4m3Table() {
    float[] table = new float[256];
    for (int i = 0; i < 256; i++) {
      int e = i >> 3 & 15;
      int m = i & 7;
      double v = e == 0 ? m / 8.0 * 0x1p-6 : (1 + m / 8.0) * Math.scalb(1.0, e - 7);
      table[i] = (i & 127) == 127 ? Float.NaN : (float) (i < 128 ? v : -v);
    }
    return table;
  }
}
