package dev.yuzui.ptx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.Random;

/**
 * The formats of weights that kernels are compiled for, decoded here from their published layouts
 * (ggml-common.h, and the OCP's E4M3), apart from every decoder of the project.
 */
enum WeightFormat {
  F16(1, 2),
  BF16(1, 2),
  FP8(1, 1),
  Q4_0(32, 18),
  Q5_0(32, 22),
  Q8_0(32, 34),
  Q4_K(256, 144),
  Q5_K(256, 176),
  Q6_K(256, 210),
  IQ4_XS(256, 136),
  IQ1_S(256, 50),
  IQ1_M(256, 56),
  IQ2_XXS(256, 66),
  IQ2_XS(256, 74),
  IQ2_S(256, 82),
  IQ3_XXS(256, 98),
  IQ3_S(256, 110),
  MXFP4(32, 17),
  NVFP4(64, 36),
  Q2_0(64, 18),
  TQ2_0(256, 66),
  Q2_K(256, 84),
  Q3_K(256, 110);

  private static final int[] IQ4 = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };

  /** Rows of a strip of tiles. */
  static final int STRIP = 16;

  private final int elements;
  private final int bytes;

  WeightFormat(int elements, int bytes) {
    this.elements = elements;
    this.bytes = bytes;
  }

  String suffix() {
    return name().toLowerCase(Locale.ROOT);
  }

  int blockElements() {
    return elements;
  }

  int rowBytes(int k) {
    return k / elements * bytes;
  }

  int tileColumns() {
    return Math.max(32, elements);
  }

  int tileBytes(int n, int k) {
    int tile = STRIP * bytes * tileColumns() / elements;
    return Math.ceilDiv(n, STRIP) * Math.ceilDiv(k, tileColumns()) * tile;
  }

  /** Whether {@link LowBits} decodes it. */
  boolean lowBit() {
    return ordinal() > IQ4_XS.ordinal();
  }

  /** Units of 32 columns that matvec takes at once. */
  int chunk() {
    return elements == 1 || this == Q8_0 ? 4 : 8;
  }

  boolean narrowGemm() {
    return this != Q4_0 && this != Q4_K;
  }

  int gemmScaleBytes() {
    return switch (this) {
      case F16, BF16 -> 0;
      case Q2_K, Q3_K, Q6_K, IQ1_M, IQ2_XS, IQ2_S, NVFP4 -> 32;
      default -> 16;
    };
  }

  /**
   * Dynamic shared memory of gemm: stages of x and, in the small form from sm_80 on, of weights.
   */
  int gemmShared(int rows, int columns, boolean large, int capability) {
    boolean copied = !large && capability >= 80;
    int slot = copied ? slot() : 0;
    int stages = copied && slot <= 24 ? 4 : 3;
    return stages * 128 * (columns + slot) + 4 * columns + gemmScaleBytes() * rows;
  }

  /** Dynamic shared memory of gemm by wgmma: stages of x, and of weights. */
  int wgmmaShared() {
    int x = 16 << 10;
    int steps = elements == 256 ? 4 : 1;
    int weights = 16 * 16 * bytes * 64 * steps / elements;
    int stages = steps == 4 ? 5 : Math.min(5, (225 << 10) / (x + weights));
    return 1024 + stages * x + (steps == 4 ? 2 : stages) * weights;
  }

  /** Bytes of two units of 32 columns, scales apart, for each lane. */
  private int slot() {
    return switch (this) {
      case IQ1_S, IQ1_M -> 6;
      case IQ2_XXS, IQ2_XS, Q2_0, TQ2_0, Q2_K -> 8;
      case IQ2_S -> 9;
      case IQ3_XXS, Q3_K -> 12;
      case IQ3_S -> 13;
      case Q5_K -> 20;
      case Q5_0, Q6_K -> 24;
      case Q8_0, FP8 -> 32;
      case F16, BF16 -> 64;
      default -> 16;
    };
  }

  /** A row of random blocks: any code, scales such that weights are of the size of 1. */
  byte[] randomRow(int k, Random random) {
    byte[] row = new byte[rowBytes(k)];
    random.nextBytes(row);
    ByteBuffer b = ByteBuffer.wrap(row).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < k / elements; i++) {
      int at = i * bytes;
      float size = 0.5f + random.nextFloat();
      switch (this) {
        case F16 -> b.putShort(at, Float.floatToFloat16((float) random.nextGaussian()));
        case BF16 ->
            b.putShort(at, (short) (Float.floatToIntBits((float) random.nextGaussian()) >>> 16));
        // no NaN: the kernels say what they make of it, and files have none
        case FP8 -> row[at] = (row[at] & 0x7f) == 0x7f ? 0 : row[at];
        case Q4_0, IQ4_XS, Q5_0, Q8_0, Q4_K, Q5_K -> {
          float unit =
              switch (this) {
                case Q4_0 -> 8;
                case Q5_0 -> 16;
                case Q8_0 -> 128;
                case Q4_K -> 15 * 63;
                case Q5_K -> 31 * 63;
                default -> 32 * 128;
              };
          b.putShort(at, Float.floatToFloat16(size / unit));
          if (this == Q4_K || this == Q5_K) {
            b.putShort(at + 2, Float.floatToFloat16(size / 63));
          }
        }
        case Q6_K -> b.putShort(at + 208, Float.floatToFloat16(size / (32 * 128)));
        case MXFP4 -> row[at] = (byte) (125 + random.nextInt(3));
        case NVFP4 -> {
          for (int s = 0; s < 4; s++) {
            row[at + s] = (byte) (random.nextInt(12) == 0 ? 0x7f : 0x20 + random.nextInt(16));
          }
        }
        case IQ1_M -> {
          int half = Float.floatToFloat16(size / LowBits.unit(this));
          for (int s = 0; s < 4; s++) {
            int rest = b.getShort(at + 48 + 2 * s) & 0xfff;
            b.putShort(at + 48 + 2 * s, (short) (rest | (half >> 4 * s & 15) << 12));
          }
        }
        case Q2_K -> {
          b.putShort(at + 80, Float.floatToFloat16(size / (3 * 15)));
          b.putShort(at + 82, Float.floatToFloat16(size / 15));
        }
        case IQ1_S, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, Q2_0, TQ2_0, Q3_K ->
            b.putShort(at + LowBits.scaleAt(this), Float.floatToFloat16(size / LowBits.unit(this)));
      }
    }
    return row;
  }

  /** Weights of a row; those of FP8 before their scales. */
  double[] decode(byte[] row, int k) {
    ByteBuffer b = ByteBuffer.wrap(row).order(ByteOrder.LITTLE_ENDIAN);
    double[] w = new double[k];
    for (int i = 0; i < k / elements; i++) {
      int at = i * bytes;
      int to = i * elements;
      switch (this) {
        case F16 -> w[to] = half(b, at);
        case BF16 -> w[to] = Float.intBitsToFloat(b.getShort(at) << 16);
        case FP8 -> w[to] = e4m3(row[at] & 0xff);
        case Q4_0 -> nibbles(b, at, w, to);
        case Q5_0 -> fiveBits(b, at, w, to);
        case Q8_0 -> {
          for (int j = 0; j < 32; j++) {
            w[to + j] = half(b, at) * row[at + 2 + j];
          }
        }
        case Q4_K, Q5_K -> superBlock(b, at, w, to);
        case Q6_K -> sixBits(b, at, w, to);
        case IQ4_XS -> nonLinear(b, at, w, to);
        default -> LowBits.decode(this, row, at, w, to);
      }
    }
    return w;
  }

  private static double half(ByteBuffer b, int at) {
    return Float.float16ToFloat(b.getShort(at));
  }

  static double e4m3(int code) {
    int exponent = code >> 3 & 15;
    int mantissa = code & 7;
    double size =
        exponent == 0 ? mantissa * 0x1p-9 : (8 + mantissa) * Math.scalb(1.0, exponent - 10);
    return code > 127 ? -size : size;
  }

  private static void nibbles(ByteBuffer b, int at, double[] w, int to) {
    for (int j = 0; j < 16; j++) {
      int q = b.get(at + 2 + j) & 0xff;
      w[to + j] = half(b, at) * ((q & 15) - 8);
      w[to + j + 16] = half(b, at) * ((q >> 4) - 8);
    }
  }

  private static void fiveBits(ByteBuffer b, int at, double[] w, int to) {
    int high = b.getInt(at + 2);
    for (int j = 0; j < 16; j++) {
      int q = b.get(at + 6 + j) & 0xff;
      w[to + j] = half(b, at) * ((q & 15 | (high >>> j & 1) << 4) - 16);
      w[to + j + 16] = half(b, at) * ((q >> 4 | (high >>> j + 16 & 1) << 4) - 16);
    }
  }

  /** Q4_K and Q5_K: eight groups of 32 with scales and minima of six bits. */
  private void superBlock(ByteBuffer b, int at, double[] w, int to) {
    int scales = at + 4;
    int high = at + 16;
    int low = this == Q5_K ? at + 48 : at + 16;
    for (int group = 0; group < 8; group++) {
      int scale;
      int minimum;
      if (group < 4) {
        scale = b.get(scales + group) & 63;
        minimum = b.get(scales + group + 4) & 63;
      } else {
        int both = b.get(scales + group + 4) & 0xff;
        scale = both & 15 | (b.get(scales + group - 4) & 0xc0) >> 2;
        minimum = both >> 4 | (b.get(scales + group) & 0xc0) >> 2;
      }
      for (int l = 0; l < 32; l++) {
        int q = (b.get(low + group / 2 * 32 + l) & 0xff) >> 4 * (group & 1) & 15;
        if (this == Q5_K) {
          q |= (b.get(high + l) >> group & 1) << 4;
        }
        w[to + 32 * group + l] = half(b, at) * scale * q - half(b, at + 2) * minimum;
      }
    }
  }

  private static void sixBits(ByteBuffer b, int at, double[] w, int to) {
    for (int n = 0; n < 2; n++) {
      for (int part = 0; part < 4; part++) {
        for (int l = 0; l < 32; l++) {
          int low = (b.get(at + 64 * n + l + 32 * (part & 1)) & 0xff) >> 4 * (part >> 1) & 15;
          int high = (b.get(at + 128 + 32 * n + l) & 0xff) >> 2 * part & 3;
          int scale = b.get(at + 192 + 8 * n + 2 * part + l / 16);
          w[to + 128 * n + 32 * part + l] = half(b, at + 208) * scale * ((low | high << 4) - 32);
        }
      }
    }
  }

  private static void nonLinear(ByteBuffer b, int at, double[] w, int to) {
    int high = b.getShort(at + 2);
    for (int group = 0; group < 8; group++) {
      int scale = b.get(at + 4 + group / 2) >> 4 * (group & 1) & 15 | (high >> 2 * group & 3) << 4;
      double d = half(b, at) * (scale - 32);
      for (int j = 0; j < 16; j++) {
        int q = b.get(at + 8 + 16 * group + j) & 0xff;
        w[to + 32 * group + j] = d * IQ4[q & 15];
        w[to + 32 * group + j + 16] = d * IQ4[q >> 4];
      }
    }
  }
}
