package dev.yuzui.convert;

/** Q4_1 and Q5_1: 32 codes of four or five bits from a minimum, and a scale. */
final class OffsetBlocks implements RowQuantizer {
  private static final int N = 32;
  private static final ScaleSearch.Guesses GUESSES = new ScaleSearch.Guesses(-1, 0.1f, 20);

  private final int most;
  private final ScaleSearch search = new ScaleSearch();
  private final float[] weights = new float[N];
  private final int[] codes = new int[N];

  /**
   * @param most 15 for Q4_1, 31 for Q5_1: codes count steps from 0 to this
   */
  OffsetBlocks(int most) {
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
    int bytes = most == 15 ? 20 : 24;
    float square = Blocks.meanSquare(x, from, cols);
    for (int b = 0; b < cols / N; b++) {
      int at = outFrom + b * bytes;
      int o = from + b * N;
      if (Blocks.given(importance)) {
        Blocks.weigh(x, o, N, importance, importanceFrom + b * N, square, weights);
      } else {
        Blocks.sizes(x, o, N, (float) Math.sqrt(square), weights);
      }
      float d = Blocks.putHalf(out, at, search.affine(x, o, N, most, weights, GUESSES));
      float m = Blocks.putHalf(out, at + 2, -search.minimum());
      for (int i = 0; i < N; i++) {
        int q = d == 0 ? 0 : ScaleSearch.nearest((x[o + i] - m) / d);
        codes[i] = ScaleSearch.clamp(q, 0, most);
      }
      StepBlocks.put(codes, most == 31, out, at + 4);
    }
  }
}
