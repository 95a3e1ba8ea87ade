package dev.yuzui.convert;

/** Q4_0 and Q5_0: 32 codes of four or five bits around zero, and a scale. */
final class StepBlocks implements RowQuantizer {
  private static final int N = 32;

  private final int most;
  private final ScaleSearch search = new ScaleSearch();
  private final float[] weights = new float[N];
  private final int[] codes = new int[N];

  /**
   * @param most 8 for Q4_0, 16 for Q5_0: codes stand for −most to most − 1
   */
  StepBlocks(int most) {
    this.most = most;
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
    int bytes = most == 8 ? 18 : 22;
    float sigma2 = Blocks.given(importance) ? Blocks.meanSquare(x, from, cols) : 0;
    for (int b = 0; b < cols / N; b++) {
      int at = outFrom + b * bytes;
      int o = from + b * N;
      float d;
      if (Blocks.given(importance)) {
        Blocks.weigh(x, o, N, importance, importanceFrom + b * N, sigma2, weights);
        d = search.symmetric(x, o, N, most, weights, codes);
      } else {
        d = ScaleSearch.extreme(x, o, N) / -most;
        float inverse = d == 0 ? 0 : 1 / d;
        for (int i = 0; i < N; i++) {
          codes[i] = Math.min(2 * most - 1, (int) (x[o + i] * inverse + (most + 0.5f)));
        }
      }
      Blocks.putHalf(out, at, d);
      put(codes, most == 16, out, at + 2);
    }
  }

  /** The fifth bits of all, if there are any, and then the nibbles. */
  static void put(int[] codes, boolean five, byte[] out, int at) {
    int nibbles = at;
    if (five) {
      int high = 0;
      for (int i = 0; i < N; i++) {
        high |= (codes[i] >> 4) << i;
      }
      for (int i = 0; i < 4; i++) {
        out[at + i] = (byte) (high >>> 8 * i);
      }
      nibbles = at + 4;
    }
    for (int i = 0; i < 16; i++) {
      out[nibbles + i] = (byte) (codes[i] & 15 | (codes[i + 16] & 15) << 4);
    }
  }
}
