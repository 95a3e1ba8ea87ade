package dev.yuzui.convert;

import java.util.Arrays;

/** Q3_K: sixteen times sixteen codes of three bits around zero, six-bit scales, an F16 for all. */
final class Q3kBlocks implements RowQuantizer {
  private static final int BYTES = 110;

  private final ScaleSearch search = new ScaleSearch();
  private final float[] weights = new float[16];
  private final float[] sums = new float[16];
  private final float[] scales = new float[16];
  private final int[] sixBits = new int[16];
  private final int[] steps = new int[16];

  @Override
  public void row(
      float[] x,
      int from,
      int cols,
      float[] importance,
      int importanceFrom,
      byte[] out,
      int outFrom) {
    for (int b = 0; b < cols / 256; b++) {
      block(x, from + 256 * b, importance, importanceFrom + 256 * b, out, outFrom + BYTES * b);
    }
  }

  private void block(float[] x, int from, float[] importance, int imp, byte[] out, int at) {
    float square = Blocks.meanSquare(x, from, 256);
    float sigma2 = 2 * square;
    float sigma = (float) Math.sqrt(square);
    for (int j = 0; j < 16; j++) {
      if (Blocks.given(importance)) {
        Blocks.weigh(x, from + 16 * j, 16, importance, imp + 16 * j, sigma2, weights);
      } else {
        Blocks.sizes(x, from + 16 * j, 16, sigma, weights);
      }
      sums[j] = Blocks.sum(weights, 16);
      scales[j] = search.symmetric(x, from + 16 * j, 16, 4, weights, steps);
    }
    float d = Blocks.putHalf(out, at + 108, search.symmetric(scales, 0, 16, 32, sums, sixBits));
    Arrays.fill(out, at, at + 108, (byte) 0);
    for (int j = 0; j < 16; j++) {
      int l = sixBits[j];
      out[at + 96 + j % 8] |= (byte) ((l & 15) << 4 * (j / 8));
      out[at + 104 + j % 4] |= (byte) ((l >> 4) << 2 * (j / 4));
      float step = d * (l - 32);
      for (int i = 0; i < 16; i++) {
        int q = step == 0 ? 0 : ScaleSearch.nearest(x[from + 16 * j + i] / step);
        put(out, at, 16 * j + i, ScaleSearch.clamp(q, -4, 3) + 4);
      }
    }
  }

  /** Two bits among four of a byte, the third, 1 for codes from 4 on, in a mask of its own. */
  private static void put(byte[] out, int at, int element, int code) {
    int half = element / 128;
    int s = element % 128 / 32;
    int l = element % 32;
    out[at + 32 + 32 * half + l] |= (byte) ((code & 3) << 2 * s);
    out[at + l] |= (byte) ((code >> 2) << 4 * half + s);
  }
}
