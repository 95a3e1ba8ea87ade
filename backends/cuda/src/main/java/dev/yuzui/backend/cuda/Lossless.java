package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;

/**
 * Formats that kernels do not multiply but that another one, which they do, holds to the last bit
 * (but for the sign of a zero), in a half to a quarter of what F16 takes: their weights are whole
 * numbers of few bits times a part of the block's scale, or times another whole number and that.
 */
final class Lossless {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int MOST_CODE = 31;
  private static final int MOST_SCALE = 127;

  private Lossless() {}

  static Optional<Encoding> of(Encoding encoding) {
    return Optional.ofNullable(
        switch (encoding) {
          case Encoding.Q1_0 _, Encoding.Q2_0 _ -> new Encoding.Q4_0();
          case Encoding.MXFP4 _ -> new Encoding.Q5_0(); // ±12 halves of a power of two
          case Encoding.IQ4_NL _ -> new Encoding.Q8_0();
          case Encoding.Q3_K _, Encoding.TQ1_0 _, Encoding.TQ2_0 _ -> new Encoding.Q6_K();
          case Encoding.IQ1_S _, Encoding.IQ1_M _ -> new Encoding.Q6_K();
          case Encoding.IQ3_XXS _, Encoding.IQ3_S _ -> new Encoding.Q6_K();
          default -> null;
        });
  }

  /** Into how many parts a block's scale is divided for weights to be whole numbers of them. */
  private static int parts(Encoding encoding) {
    return switch (encoding) {
      case Encoding.IQ1_S _, Encoding.IQ1_M _ -> 8; // the shift of an eighth
      case Encoding.IQ3_XXS _, Encoding.MXFP4 _ -> 2; // a quarter of even numbers; halves
      default -> 1;
    };
  }

  /**
   * A row of {@code w} whose numbers are {@code row} in the format that {@link #of} says, from byte
   * {@code to} on; false if a scale's part is no F16, which the smallest have not got.
   */
  static boolean encode(HostTensor w, int r, float[] row, MemorySegment out, long to) {
    Encoding.Block from = (Encoding.Block) w.encoding();
    Encoding into = of(from).orElseThrow();
    long begin = from.byteSize(r, w.cols());
    int per = into.blockElements();
    for (int c = 0; c < row.length; c += per) {
      long block = begin + (long) (c / from.blockElements()) * from.blockBytes();
      float unit = from.scales().getFirst().get(w.data(), block) / parts(from);
      short half = Float.floatToFloat16(unit);
      if (Float.float16ToFloat(half) != unit) {
        return false;
      }
      int[] whole = new int[per];
      for (int i = 0; i < per; i++) {
        whole[i] = unit == 0 ? 0 : Math.round(row[c + i] / unit);
      }
      MemorySegment at = out.asSlice(to + (long) (c / per) * into.blockBytes(), into.blockBytes());
      at.fill((byte) 0);
      switch (into) {
        case Encoding.Q4_0 _ -> nibbles(whole, 8, half, at, 2);
        case Encoding.Q5_0 _ -> {
          nibbles(whole, 16, half, at, 6);
          for (int i = 0; i < per; i++) {
            or(at, 2 + i / 8, (whole[i] + 16 >> 4) << i % 8);
          }
        }
        case Encoding.Q8_0 _ -> {
          at.set(SHORT, 0, half);
          for (int i = 0; i < per; i++) {
            at.set(ValueLayout.JAVA_BYTE, 2 + i, (byte) whole[i]);
          }
        }
        default -> sixes(whole, half, at);
      }
    }
    return true;
  }

  private static void nibbles(int[] whole, int bias, short half, MemorySegment to, int codes) {
    to.set(SHORT, 0, half);
    for (int i = 0; i < 32; i++) {
      or(to, codes + i % 16, (whole[i] + bias & 15) << i / 16 * 4);
    }
  }

  /** Q6_K: sixteens with a scale each. */
  private static void sixes(int[] whole, short half, MemorySegment to) {
    to.set(SHORT, 208, half);
    for (int group = 0; group < 16; group++) {
      int scale = scale(Arrays.copyOfRange(whole, 16 * group, 16 * group + 16));
      to.set(ValueLayout.JAVA_BYTE, 192 + group, (byte) scale);
      for (int i = 16 * group; i < 16 * group + 16; i++) {
        six(to, i, whole[i] / scale + 32);
      }
    }
  }

  /** The smallest whole number that divides all and leaves six bits. */
  private static int scale(int[] whole) {
    int most = Arrays.stream(whole).map(Math::abs).max().orElse(0);
    for (int scale = Math.max(1, Math.ceilDiv(most, MOST_CODE)); scale <= MOST_SCALE; scale++) {
      int by = scale;
      if (Arrays.stream(whole).allMatch(n -> n % by == 0)) {
        return scale;
      }
    }
    throw new IllegalStateException("numbers up to " + most + " that no scale of Q6_K divides");
  }

  /** Element i = 128·n + 32·k + l: four bits in ql[64n + 32(k & 1) + l], two in qh[32n + l]. */
  private static void six(MemorySegment to, int i, int code) {
    int n = i / 128;
    int k = i / 32 % 4;
    int l = i % 32;
    or(to, 64 * n + 32 * (k & 1) + l, (code & 15) << 4 * (k >> 1));
    or(to, 128 + 32 * n + l, code >> 4 << 2 * k);
  }

  private static void or(MemorySegment to, long at, int bits) {
    to.set(ValueLayout.JAVA_BYTE, at, (byte) (to.get(ValueLayout.JAVA_BYTE, at) | bits));
  }
}
