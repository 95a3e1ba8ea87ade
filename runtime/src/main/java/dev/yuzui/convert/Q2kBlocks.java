package dev.yuzui.convert;

import java.util.Arrays;

/** Q2_K: sixteen times sixteen codes of two bits from a minimum, scales and minima of four bits. */
final class Q2kBlocks implements RowQuantizer {
  private static final int BYTES = 84;
  private static final ScaleSearch.Guesses GUESSES = new ScaleSearch.Guesses(-0.9f, 0.1f, 18);

  private final ScaleSearch search = new ScaleSearch();
  private final float[] weights = new float[16];
  private final float[] sums = new float[16];
  private final float[] scales = new float[16];
  private final float[] minima = new float[16];
  private final int[] scaleSteps = new int[16];
  private final int[] minimumSteps = new int[16];

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
    float sigma2 = Blocks.meanSquare(x, from, 256);
    for (int j = 0; j < 16; j++) {
      if (Blocks.given(importance)) {
        Blocks.weigh(x, from + 16 * j, 16, importance, imp + 16 * j, sigma2, weights);
      } else {
        Blocks.sizes(x, from + 16 * j, 16, (float) Math.sqrt(sigma2), weights);
      }
      sums[j] = Blocks.sum(weights, 16);
      scales[j] = search.affine(x, from + 16 * j, 16, 3, weights, GUESSES);
      minima[j] = search.minimum();
    }
    float d = Blocks.putHalf(out, at + 80, search.positive(scales, 16, 15, sums, scaleSteps));
    float min = Blocks.putHalf(out, at + 82, search.positive(minima, 16, 15, sums, minimumSteps));
    Arrays.fill(out, at + 16, at + 80, (byte) 0);
    for (int j = 0; j < 16; j++) {
      out[at + j] = (byte) (scaleSteps[j] | minimumSteps[j] << 4);
      float step = d * scaleSteps[j];
      float m = min * minimumSteps[j];
      for (int i = 0; i < 16; i++) {
        int element = 16 * j + i;
        int q = step == 0 ? 0 : ScaleSearch.nearest((x[from + element] + m) / step);
        int code = ScaleSearch.clamp(q, 0, 3);
        out[at + 16 + 32 * (element / 128) + element % 32] |=
            (byte) (code << 2 * (element % 128 / 32));
      }
    }
  }
}
