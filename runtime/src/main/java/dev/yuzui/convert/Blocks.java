package dev.yuzui.convert;

/** What the block quantisers share. */
final class Blocks {
  private Blocks() {}

  static boolean given(float[] importance) {
    return importance.length > 0;
  }

  /** Writes {@code value} as F16 and returns what a reader will find. */
  static float putHalf(byte[] out, int at, float value) {
    short half = Float.floatToFloat16(value);
    out[at] = (byte) half;
    out[at + 1] = (byte) (half >> 8);
    return Float.float16ToFloat(half);
  }

  static float meanSquare(float[] x, int from, int n) {
    float sum = 0;
    for (int i = from; i < from + n; i++) {
      sum += x[i] * x[i];
    }
    return sum / n;
  }

  /** weights[i] = importance · √(σ² + x²). */
  static void weigh(
      float[] x, int from, int n, float[] importance, int at, float sigma2, float[] weights) {
    for (int i = 0; i < n; i++) {
      float v = x[from + i];
      weights[i] = importance[at + i] * (float) Math.sqrt(sigma2 + v * v);
    }
  }

  /** weights[i] = base + |x|. */
  static void sizes(float[] x, int from, int n, float base, float[] weights) {
    for (int i = 0; i < n; i++) {
      weights[i] = base + Math.abs(x[from + i]);
    }
  }

  static float sum(float[] x, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) {
      sum += x[i];
    }
    return sum;
  }
}
