package dev.yuzui.parallel;

import java.util.Arrays;

/**
 * How evenly a layer's experts are used.
 *
 * @param tokens of all experts together
 * @param imbalance of the most used expert: its tokens over the mean
 * @param evenness entropy of the shares over that of equal ones: 1 if all experts get the same, 0
 *     if one gets everything
 * @param topShare of the tokens, what the most used tenth of the experts gets (at least one expert)
 * @param hottest the most used expert, the first of equals
 * @param unused experts that no token chose
 */
public record LayerLoad(
    long tokens, double imbalance, double evenness, double topShare, int hottest, int unused) {

  /**
   * @param counts tokens of each expert
   */
  public static LayerLoad of(long[] counts) {
    long tokens = Arrays.stream(counts).sum();
    int hottest = 0;
    int unused = 0;
    double entropy = 0;
    for (int e = 0; e < counts.length; e++) {
      hottest = counts[e] > counts[hottest] ? e : hottest;
      if (counts[e] == 0) {
        unused++;
      } else {
        double share = (double) counts[e] / tokens;
        entropy -= share * Math.log(share);
      }
    }
    long[] sorted = counts.clone();
    Arrays.sort(sorted);
    int top = Math.ceilDiv(counts.length, 10);
    long topTokens = Arrays.stream(sorted, counts.length - top, counts.length).sum();
    double whole = Math.max(1, tokens);
    return new LayerLoad(
        tokens,
        tokens == 0 ? 1 : counts[hottest] * (double) counts.length / tokens,
        tokens == 0 || counts.length == 1 ? 1 : entropy / Math.log(counts.length),
        topTokens / whole,
        hottest,
        unused);
  }
}
