package dev.yuzui.convert;

/** Q6_K: sixteen times sixteen codes of six bits around zero, eight-bit scales, an F16 for all. */
final class Q6kBlocks implements RowQuantizer {
  private static final int BYTES = 210;

  private final ScaleSearch search = new ScaleSearch();
  private final float[] weights = new float[16];
  private final float[] scales = new float[16];
  private final int[] steps = new int[16];
  private final int[] codes = new int[256];

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
    float sigma = (float) Math.sqrt(Blocks.meanSquare(x, from, 256));
    for (int j = 0; j < 16; j++) {
      if (Blocks.given(importance)) {
        System.arraycopy(importance, imp + 16 * j, weights, 0, 16);
      } else {
        Blocks.sizes(x, from + 16 * j, 16, sigma, weights);
      }
      scales[j] = search.symmetric(x, from + 16 * j, 16, 32, weights, steps);
    }
    float d = Blocks.putHalf(out, at + 208, ScaleSearch.extreme(scales, 0, 16) / -128);
    float inverse = d == 0 ? 0 : 1 / d;
    for (int j = 0; j < 16; j++) {
      int scale = ScaleSearch.clamp(ScaleSearch.nearest(inverse * scales[j]), -128, 127);
      out[at + 192 + j] = (byte) scale;
      float step = d * scale;
      for (int i = 0; i < 16; i++) {
        int l = step == 0 ? 0 : ScaleSearch.nearest(x[from + 16 * j + i] / step);
        codes[16 * j + i] = ScaleSearch.clamp(l, -32, 31) + 32;
      }
    }
    for (int n = 0; n < 2; n++) {
      for (int l = 0; l < 32; l++) {
        int o = 128 * n + l;
        int q0 = codes[o];
        int q1 = codes[o + 32];
        int q2 = codes[o + 64];
        int q3 = codes[o + 96];
        out[at + 64 * n + l] = (byte) (q0 & 15 | (q2 & 15) << 4);
        out[at + 64 * n + 32 + l] = (byte) (q1 & 15 | (q3 & 15) << 4);
        out[at + 128 + 32 * n + l] =
            (byte) (q0 >> 4 | (q1 >> 4) << 2 | (q2 >> 4) << 4 | (q3 >> 4) << 6);
      }
    }
  }
}
