package dev.yuzui.spi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;

/**
 * A floating-point number of a block that multiplies its codes.
 *
 * @param at where it begins, in bytes from the block's start
 */
public record BlockScale(int at, Form form) {

  public enum Form {
    F16,
    /** An F16 in the upper four bits of each of four 16-bit words, the first the lowest. */
    F16_IN_NIBBLES,
    /** A power of two, 2^(code − 127): float8_e8m0. */
    E8M0,
    /**
     * float8_e4m3fn without its sign. In ggml 0x7f, which is no number elsewhere, is 0, and the
     * highest bit is passed over, but that 0xff is 480.
     */
    UE4M3
  }

  static List<BlockScale> halves(int... at) {
    return Arrays.stream(at).mapToObj(i -> new BlockScale(i, Form.F16)).toList();
  }

  /** Its value in the block that begins at byte {@code block}. */
  public float get(MemorySegment data, long block) {
    return switch (form) {
      case F16 -> Float.float16ToFloat(data.get(Dequantizer.SHORT, block + at));
      case F16_IN_NIBBLES -> Float.float16ToFloat((short) gather(data, block + at));
      case E8M0 -> e8m0(data.get(ValueLayout.JAVA_BYTE, block + at) & 0xff);
      case UE4M3 -> ue4m3(data.get(ValueLayout.JAVA_BYTE, block + at) & 0xff);
    };
  }

  /** Writes what is nearest to {@code value}; forms that have no sign take its magnitude. */
  public void put(MemorySegment data, long block, float value) {
    switch (form) {
      case F16 -> data.set(Dequantizer.SHORT, block + at, Float.floatToFloat16(value));
      case F16_IN_NIBBLES -> scatter(data, block + at, Float.floatToFloat16(value));
      case E8M0 -> {
        // half way between two powers, the mantissa of 1.5, goes up
        int exponent = Math.getExponent(Math.abs(value) * (4 / 3f)) + 127;
        data.set(ValueLayout.JAVA_BYTE, block + at, (byte) Math.clamp(exponent, 0, 254));
      }
      case UE4M3 -> data.set(ValueLayout.JAVA_BYTE, block + at, Quantizer.e4m3(Math.abs(value)));
    }
  }

  /** Whether weights of the block can be numbers: code 255 of E8M0 is what no quantiser writes. */
  public boolean isNumber(MemorySegment data, long block) {
    return switch (form) {
      case F16, F16_IN_NIBBLES -> Float.isFinite(get(data, block));
      case E8M0 -> data.get(ValueLayout.JAVA_BYTE, block + at) != -1;
      case UE4M3 -> true;
    };
  }

  private static int gather(MemorySegment data, long words) {
    int bits = 0;
    for (int k = 0; k < 4; k++) {
      bits |= (data.get(Dequantizer.SHORT, words + 2 * k) & 0xf000) >>> 12 - 4 * k;
    }
    return bits;
  }

  private static void scatter(MemorySegment data, long words, short half) {
    for (int k = 0; k < 4; k++) {
      int rest = data.get(Dequantizer.SHORT, words + 2 * k) & 0xfff;
      data.set(Dequantizer.SHORT, words + 2 * k, (short) (rest | (half >>> 4 * k & 15) << 12));
    }
  }

  /** 2^(code − 127), exact: the lowest is a denormal. */
  static float e8m0(int code) {
    return Math.scalb(1f, code - 127);
  }

  static float ue4m3(int code) {
    if (code == 0x7f) {
      return 0;
    }
    return code == 0xff ? 480 : Dequantizer.e4m3((byte) (code & 0x7f));
  }
}
