package dev.yuzui.engine.step;

/**
 * The best logits of a row, best first, ties to the lower token. NaN is given as −∞.
 *
 * @param ids their tokens
 */
public record BestTokens(int[] ids, float[] logits) {
  /** A draft's probability is taken among so many tokens: the others are next to nothing. */
  public static final int CANDIDATES = 10;

  /** Of the best, among {@value #CANDIDATES}; NaN where the row is not a number. */
  public double probability() {
    double sum = 0;
    for (int i = 0; i < Math.min(CANDIDATES, logits.length); i++) {
      sum += Math.exp(logits[i] - logits[0]);
    }
    return 1 / sum;
  }
}
