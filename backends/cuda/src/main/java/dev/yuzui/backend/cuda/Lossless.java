package dev.yuzui.backend.cuda;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Formats of fewer bits that Q6_K, which kernels multiply, holds without loss, in less than half of
 * what F16 takes: each sixteen of their weights are whole numbers of six bits times a whole number
 * of eight times a part of the block's F16 scale.
 */
final class SixBits {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int MOST_CODE = 31;
  private static final int MOST_SCALE = 127;

  private SixBits() {}

  static boolean hold(Encoding encoding) {
    return parts(encoding) > 0;
  }

  /**
   * Into how many parts a block's scale is divided: by quarters and even numbers (IQ3_XXS), by
   * eighths (IQ1); 0 for what Q6_K does not hold.
   */
  private static int parts(Encoding encoding) {
    return switch (encoding) {
      case Encoding.TQ1_0 _, Encoding.TQ2_0 _, Encoding.IQ3_S _ -> 1;
      case Encoding.IQ3_XXS _ -> 2;
      case Encoding.IQ1_S _, Encoding.IQ1_M _ -> 8;
      default -> 0;
    };
  }

  /**
   * A row of {@code w} whose numbers are {@code row} as Q6_K, from byte {@code to} on; false if a
   * scale's part is no F16, which the smallest have not got.
   */
  static boolean encode(HostTensor w, int r, float[] row, MemorySegment out, long to) {
    Encoding.Block format = (Encoding.Block) w.encoding();
    long from = format.byteSize(r, w.cols());
    for (int block = 0; block < row.length / 256; block++) {
      float d = format.scales().getFirst().get(w.data(), from + (long) block * format.blockBytes());
      float unit = d / parts(format);
      short half = Float.floatToFloat16(unit);
      if (Float.float16ToFloat(half) != unit) {
        return false;
      }
      long at = to + 210L * block;
      out.asSlice(at, 210).fill((byte) 0);
      out.set(SHORT, at + 208, half);
      for (int group = 0; group < 16; group++) {
        group(row, 256 * block + 16 * group, unit, out, at, group);
      }
    }
    return true;
  }

  private static void group(
      float[] row, int first, float unit, MemorySegment out, long block, int group) {
    int[] whole = new int[16];
    int most = 0;
    for (int i = 0; i < 16; i++) {
      whole[i] = unit == 0 ? 0 : Math.round(row[first + i] / unit);
      most = Math.max(most, Math.abs(whole[i]));
    }
    int scale = scale(whole, most);
    out.set(ValueLayout.JAVA_BYTE, block + 192 + group, (byte) scale);
    for (int i = 0; i < 16; i++) {
      put(out, block, 16 * group + i, whole[i] / scale + 32);
    }
  }

  /** The smallest whole number that leaves codes of six bits. */
  private static int scale(int[] whole, int most) {
    for (int scale = Math.max(1, Math.ceilDiv(most, MOST_CODE)); scale <= MOST_SCALE; scale++) {
      boolean divides = true;
      for (int n : whole) {
        divides &= n % scale == 0;
      }
      if (divides) {
        return scale;
      }
    }
    throw new IllegalStateException("numbers up to " + most + " that no Q6_K scale divides");
  }

  /** Element i = 128·n + 32·k + l: four bits in ql[64n + 32(k & 1) + l], two in qh[32n + l]. */
  private static void put(MemorySegment out, long block, int i, int code) {
    int n = i / 128;
    int k = i / 32 % 4;
    int l = i % 32;
    or(out, block + 64 * n + 32 * (k & 1) + l, (code & 15) << 4 * (k >> 1));
    or(out, block + 128 + 32 * n + l, code >> 4 << 2 * k);
  }

  private static void or(MemorySegment out, long at, int bits) {
    out.set(ValueLayout.JAVA_BYTE, at, (byte) (out.get(ValueLayout.JAVA_BYTE, at) | bits));
  }
}
