package dev.yuzui.compare;

/**
 * How far two backends say the same, whatever their logits.
 *
 * @param layer of the logits: MTP layers have their own
 * @param top1 share of tokens whose best successor is the same
 * @param kl Σ p·ln(p/q) in nats, p wanted and q found, the mean over tokens
 * @param worstKl of a token
 */
public record Agreement(Phase phase, int layer, double top1, double kl, double worstKl) {

  /** Adds up, a row of logits at a time. */
  static final class Sum {
    private int rows;
    private int same;
    private double kl;
    private double worst;

    void add(float[] found, float[] wanted, int from, int to) {
      rows++;
      same += Logits.best(found, from, to) == Logits.best(wanted, from, to) ? 1 : 0;
      double divergence = Logits.divergence(wanted, found, from, to);
      kl += divergence;
      worst = Math.max(worst, divergence);
    }

    Agreement total(Phase phase, int layer) {
      return new Agreement(phase, layer, (double) same / rows, kl / rows, worst);
    }
  }
}
