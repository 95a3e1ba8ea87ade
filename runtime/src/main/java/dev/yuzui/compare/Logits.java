package dev.yuzui.compare;

/** Arithmetic of rows of logits, in double. */
final class Logits {
  private Logits() {}

  static boolean areFinite(float[] logits) {
    for (float x : logits) {
      if (!Float.isFinite(x)) {
        return false;
      }
    }
    return true;
  }

  /** Offset of the largest from {@code from}; the first of equals, NaN counts as smallest. */
  static int best(float[] logits, int from, int to) {
    int best = from;
    for (int i = from + 1; i < to; i++) {
      if (logits[i] > logits[best] || Float.isNaN(logits[best]) && !Float.isNaN(logits[i])) {
        best = i;
      }
    }
    return best - from;
  }

  /** Σ p·ln(p/q) in nats, infinite where that is no number. */
  static double divergence(float[] p, float[] q, int from, int to) {
    double pSum = logSum(p, from, to);
    double qSum = logSum(q, from, to);
    double sum = 0;
    for (int i = from; i < to; i++) {
      double log = p[i] - pSum;
      double probability = Math.exp(log);
      sum += probability == 0 ? 0 : probability * (log - (q[i] - qSum));
    }
    return Double.isNaN(sum) ? Double.POSITIVE_INFINITY : Math.max(0, sum); // −0 by rounding
  }

  /** ln Σ exp(x). */
  private static double logSum(float[] x, int from, int to) {
    double most = Double.NEGATIVE_INFINITY;
    for (int i = from; i < to; i++) {
      most = Math.max(most, x[i]);
    }
    double sum = 0;
    for (int i = from; i < to; i++) {
      sum += Math.exp(x[i] - most);
    }
    return most + Math.log(sum);
  }
}
