package dev.yuzui.convert;

import dev.yuzui.spi.Dequantizer;

/**
 * MXFP4: 32 codes of float4 e2m1 and a power of two. That of OCP's rule, with which the largest
 * number lies from 4 to 8 steps, where 6 is the last one; or the next, if its error is less.
 */
final class Mxfp4Blocks implements RowQuantizer {
  private static final int N = 32;
  private static final int BYTES = 17;
  private static final byte[] DOUBLED = Dequantizer.e2m1Doubled();

  private final int[] codes = new int[N];
  private final int[] tried = new int[N];

  @Override
  public void row(
      float[] x,
      int from,
      int cols,
      float[] importance,
      int importanceFrom,
      byte[] out,
      int outFrom) {
    for (int b = 0; b < cols / N; b++) {
      block(x, from + b * N, out, outFrom + b * BYTES);
    }
  }

  private void block(float[] x, int from, byte[] out, int at) {
    float size = Math.abs(ScaleSearch.extreme(x, from, N));
    int first = size == 0 ? 0 : Math.clamp(Math.getExponent(size) - 2 + 127, 0, 254);
    int power = first;
    double best = Double.MAX_VALUE;
    for (int e = first; e <= Math.min(first + 1, 254); e++) {
      double error = code(x, from, Math.scalb(1f, e - 128));
      if (error < best) {
        best = error;
        power = e;
        System.arraycopy(tried, 0, codes, 0, N);
      }
    }
    out[at] = (byte) power;
    for (int i = 0; i < 16; i++) {
      out[at + 1 + i] = (byte) (codes[i] | codes[i + 16] << 4);
    }
  }

  /**
   * @param half of the step
   * @return the squared error
   */
  private double code(float[] x, int from, float half) {
    double error = 0;
    for (int i = 0; i < N; i++) {
      float v = Math.abs(x[from + i]);
      int code = 0;
      while (code < 7 && v - DOUBLED[code] * half > DOUBLED[code + 1] * half - v) {
        code++;
      }
      double off = v - DOUBLED[code] * half;
      error += off * off;
      tried[i] = code == 0 || x[from + i] >= 0 ? code : code + 8;
    }
    return error;
  }
}
