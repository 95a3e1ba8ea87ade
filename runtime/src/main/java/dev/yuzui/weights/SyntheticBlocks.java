package dev.yuzui.weights;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.Scalar;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.SplittableRandom;

/** Random blocks of zero-mean weights, valid in their encoding, without encoding any number. */
final class SyntheticBlocks {
  /** Standard deviation of a uniform code 0..15, 0..31, 0..3, 0..63 and −128..127. */
  private static final double SD4 = 4.61;

  private static final double SD5 = 9.23;
  private static final double SD2 = 1.118;
  private static final double SD6 = 18.5;
  private static final double SD8 = 73.9;

  /** Of uniform e2m1 codes, and of random blocks of IQ2_XXS whose scale is 1. */
  private static final double SD_MXFP4 = 2.94;

  private static final double SD_IQ2_XXS = 53.6;

  /** The scale of every sub-block of a Q4_K block, its minimum, and of a Q6_K block. */
  private static final int K4_SCALE = 32;

  private static final int K6_SCALE = 40;

  /** The scale and the minimum of every sub-block of a Q2_K block. */
  private static final int K2_SCALE = 8;

  private SyntheticBlocks() {}

  /** Fills {@code out}, whole blocks, with weights of standard deviation about {@code std}. */
  static void fill(Encoding encoding, double std, SplittableRandom random, MemorySegment out) {
    long blocks = out.byteSize() / encoding.blockBytes();
    switch (encoding) {
      case Encoding.Plain(Scalar scalar) -> plain(scalar, std, random, out, blocks);
      case Encoding.Fp8Tiled _ -> fp8(random, out);
      default -> {
        random(random, out);
        for (long b = 0; b < blocks; b++) {
          scale(encoding, std, random, out, b * encoding.blockBytes());
        }
      }
    }
  }

  /** What the codes of {@link #fill} must be multiplied by for a standard deviation of one. */
  static float fp8Scale(double std) {
    double squares = 0;
    for (int code = 0x28; code < 0x40; code++) {
      squares += Math.pow(Dequantizer.e4m3((byte) code), 2);
    }
    return (float) (std / Math.sqrt(squares / 0x18));
  }

  private static void plain(
      Scalar scalar, double std, SplittableRandom random, MemorySegment out, long n) {
    float[] x = new float[(int) Math.min(n, 1 << 14)];
    for (long done = 0; done < n; done += x.length) {
      int count = (int) Math.min(x.length, n - done);
      for (int i = 0; i < count; i++) {
        x[i] = (float) (random.nextGaussian() * std);
      }
      Quantizer.encode(new Encoding.Plain(scalar), x, 0, count, out, done * scalar.bytes());
    }
  }

  /** Codes of magnitude 0.25 to 2, either sign. */
  private static void fp8(SplittableRandom random, MemorySegment out) {
    for (long i = 0; i < out.byteSize(); i++) {
      int code = random.nextInt(0x28, 0x40) | (random.nextBoolean() ? 0x80 : 0);
      out.set(ValueLayout.JAVA_BYTE, i, (byte) code);
    }
  }

  private static void random(SplittableRandom random, MemorySegment out) {
    byte[] bytes = new byte[(int) Math.min(out.byteSize(), 1 << 16)];
    for (long at = 0; at < out.byteSize(); at += bytes.length) {
      random.nextBytes(bytes);
      int n = (int) Math.min(bytes.length, out.byteSize() - at);
      MemorySegment.copy(bytes, 0, out, ValueLayout.JAVA_BYTE, at, n);
    }
  }

  private static void scale(
      Encoding encoding, double std, SplittableRandom random, MemorySegment out, long at) {
    switch (encoding) {
      case Encoding.Q8_0 _ -> half(out, at, std / SD8);
      case Encoding.Q4_0 _ -> half(out, at, std / SD4);
      case Encoding.Q5_0 _ -> half(out, at, std / SD5);
      case Encoding.Q4_K _ -> {
        double d = std / (K4_SCALE * SD4);
        half(out, at, d);
        half(out, at + 2, d * 7.5); // the mean of the codes, so that the weights' is zero
        byte[] six = new byte[12]; // 32 in all sixteen fields: bit 5 of the first four of each,
        Arrays.fill(six, 0, 8, (byte) (K4_SCALE | 0x80)); // and as top bits of the others
        MemorySegment.copy(six, 0, out, ValueLayout.JAVA_BYTE, at + 4, 12);
      }
      case Encoding.Q6_K _ -> {
        half(out, at + 208, std / (K6_SCALE * SD6));
        int signs = random.nextInt();
        for (int i = 0; i < 16; i++) {
          int s = (signs >> i & 1) == 0 ? K6_SCALE : -K6_SCALE;
          out.set(ValueLayout.JAVA_BYTE, at + 192 + i, (byte) s);
        }
      }
      case Encoding.MXFP4 _ -> {
        int power = (int) Math.ceil(Math.log(std / SD_MXFP4) / Math.log(2) - 0.25);
        out.set(ValueLayout.JAVA_BYTE, at, (byte) (127 + power));
      }
      case Encoding.Q2_K _ -> {
        double d = std / (K2_SCALE * SD2);
        for (int i = 0; i < 16; i++) {
          out.set(ValueLayout.JAVA_BYTE, at + i, (byte) (K2_SCALE | K2_SCALE << 4));
        }
        half(out, at + 80, d);
        half(out, at + 82, d * 1.5); // the mean of the codes
      }
      case Encoding.IQ2_XXS _ -> half(out, at, std / SD_IQ2_XXS);
      default -> throw new IllegalArgumentException("no synthetic blocks of " + encoding.label());
    }
  }

  private static void half(MemorySegment out, long at, double value) {
    out.set(
        ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
        at,
        Float.floatToFloat16((float) value));
  }
}
