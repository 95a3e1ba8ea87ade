package dev.yuzui.convert;

import java.util.Arrays;

/**
 * Q4_K and Q5_K: eight times 32 codes of four or five bits from a minimum, scales and minima of six
 * bits, and an F16 for all of either.
 */
final class Q45kBlocks implements RowQuantizer {
  private static final ScaleSearch.Guesses GUESSES = new ScaleSearch.Guesses(-1, 0.1f, 20);

  private final boolean five;
  private final int most;
  private final ScaleSearch search = new ScaleSearch();
  private final float[] weights = new float[32];
  private final float[] sums = new float[8];
  private final float[] scales = new float[8];
  private final float[] minima = new float[8];
  private final int[] scaleSteps = new int[8];
  private final int[] minimumSteps = new int[8];
  private final int[] codes = new int[256];

  Q45kBlocks(boolean five) {
    this.five = five;
    this.most = five ? 31 : 15;
  }

  @Override
  public void row(
      float[] x,
      int from,
      int cols,
      float[] importance,
      int importanceFrom,
      byte[] out,
      int outFrom) {
    int bytes = five ? 176 : 144;
    for (int b = 0; b < cols / 256; b++) {
      block(x, from + 256 * b, importance, importanceFrom + 256 * b, out, outFrom + bytes * b);
    }
  }

  private void block(float[] x, int from, float[] importance, int imp, byte[] out, int at) {
    float square = Blocks.meanSquare(x, from, 256);
    float sigma2 = 2 * square;
    float sigma = (float) Math.sqrt(square);
    for (int j = 0; j < 8; j++) {
      int o = from + 32 * j;
      if (Blocks.given(importance)) {
        Blocks.weigh(x, o, 32, importance, imp + 32 * j, sigma2, weights);
      } else {
        Blocks.sizes(x, o, 32, sigma, weights);
      }
      sums[j] = Blocks.sum(weights, 32);
      scales[j] = search.affine(x, o, 32, most, weights, GUESSES);
      minima[j] = search.minimum();
    }
    float d = Blocks.putHalf(out, at, search.positive(scales, 8, 63, sums, scaleSteps));
    float min = Blocks.putHalf(out, at + 2, search.positive(minima, 8, 63, sums, minimumSteps));
    code(x, from, d, min);
    putScales(out, at + 4);
    putCodes(out, at);
  }

  private void code(float[] x, int from, float d, float min) {
    for (int j = 0; j < 8; j++) {
      float step = d * scaleSteps[j];
      float m = min * minimumSteps[j];
      for (int i = 32 * j; i < 32 * j + 32; i++) {
        int q = step == 0 ? 0 : ScaleSearch.nearest((x[from + i] + m) / step);
        codes[i] = ScaleSearch.clamp(q, 0, most);
      }
    }
  }

  private void putCodes(byte[] out, int at) {
    int qs = at + (five ? 48 : 16);
    Arrays.fill(out, at + 16, qs + 128, (byte) 0);
    for (int i = 0; i < 256; i++) {
      out[qs + 32 * (i / 64) + i % 32] |= (byte) ((codes[i] & 15) << 4 * (i / 32 & 1));
      if (five) {
        out[at + 16 + i % 32] |= (byte) ((codes[i] >> 4) << i / 32);
      }
    }
  }

  /** Twelve bytes: six bits of the first four each, the upper two of the last four above them. */
  private void putScales(byte[] out, int at) {
    for (int j = 0; j < 4; j++) {
      int scale = scaleSteps[j + 4];
      int minimum = minimumSteps[j + 4];
      out[at + j] = (byte) (scaleSteps[j] | (scale >> 4) << 6);
      out[at + 4 + j] = (byte) (minimumSteps[j] | (minimum >> 4) << 6);
      out[at + 8 + j] = (byte) (scale & 15 | (minimum & 15) << 4);
    }
  }
}
