package dev.yuzui.engine.step;

/**
 * Which layers a step runs, and what they start from.
 *
 * @param predictor MTP layer that runs, unless the main model does
 * @param whole whether an MTP layer leaves the states of all rows, not of those wanted alone
 * @param vocabulary an MTP layer's logits are those of the first so many tokens, or a few more
 */
public record Pass(Start start, int predictor, boolean whole, int vocabulary) {
  enum Start {
    TOKENS,
    /** States of the main model. */
    MAIN,
    /** States that an MTP layer left. */
    MTP
  }

  /** Of the vocabulary. */
  public static final int ALL_TOKENS = Integer.MAX_VALUE;

  static final Pass MAIN = new Pass(Start.TOKENS, 0, false, ALL_TOKENS);

  boolean takesStates() {
    return start != Start.TOKENS;
  }
}
