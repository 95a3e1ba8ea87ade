package dev.yuzui.ptx.machine;

/** Numbers of other precisions than Java's operators give. */
final class Rounding {
  private static final int CANONICAL_NAN = 0x7fff;

  private Rounding() {}

  /** The nearest F16, ties to even. */
  static int toHalf(float v) {
    return Float.isNaN(v) ? CANONICAL_NAN : Float.floatToFloat16(v) & 0xffff;
  }

  /**
   * The nearest F16 of a double: by way of a float that is odd where it is not exact, so that no
   * second rounding meets a tie that the first has made.
   */
  static int toHalf(double v) {
    float f = (float) v;
    if ((double) f != v && !Double.isNaN(v) && !Float.isInfinite(f)) {
      boolean away = Math.abs((double) f) > Math.abs(v);
      int bits = Float.floatToRawIntBits(f);
      f = Float.intBitsToFloat((away ? bits - 1 : bits) | 1);
    }
    return toHalf(f);
  }

  static float fromHalf(int bits) {
    return Float.float16ToFloat((short) bits);
  }

  /** The nearest BF16, ties to even. */
  static int toBfloat(float v) {
    int bits = Float.floatToRawIntBits(v);
    return Float.isNaN(v) ? CANONICAL_NAN : bits + 0x7fff + (bits >>> 16 & 1) >>> 16;
  }

  static float fromBfloat(int bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** a·b + c rounded towards minus infinity. */
  static float fmaDown(float a, float b, float c) {
    double product = (double) a * b;
    double sum = product + c;
    if (!Double.isFinite(sum)) {
      return (float) sum;
    }
    // what the addition lost (Knuth's two-sum), as the sum itself may have been rounded up
    double part = sum - product;
    double lost = product - (sum - part) + (c - part);
    float f = (float) sum;
    return (double) f > sum || (double) f == sum && lost < 0 ? Math.nextDown(f) : f;
  }

  /** a + b rounded towards zero. */
  static float addTowardsZero(float a, float b) {
    double sum = (double) a + b;
    if (!Double.isFinite(sum)) {
      return (float) sum;
    }
    double part = sum - a;
    double lost = a - (sum - part) + (b - part);
    float f = (float) sum;
    boolean beyond = (double) f == sum && lost * f < 0;
    return Math.abs((double) f) > Math.abs(sum) || beyond ? Math.nextAfter(f, 0) : f;
  }

  static float flushed(float v) {
    return Math.abs(v) < Float.MIN_NORMAL ? Math.copySign(0f, v) : v;
  }
}
