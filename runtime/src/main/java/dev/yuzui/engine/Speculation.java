package dev.yuzui.engine;

/**
 * How the tokens to come are guessed, so that one step can check several. Guesses never change what
 * is sampled.
 *
 * @param mostDrafts guessed at a time
 * @param leastProbable MTP drafts of a smaller probability are dropped
 */
public record Speculation(Drafts drafts, int mostDrafts, double leastProbable) {
  /** Who guesses. */
  public enum Drafts {
    NONE,
    /** The model's multi-token prediction layer. */
    MTP,
    /** What followed the last tokens when they came up before. */
    NGRAM
  }

  public static final Speculation NONE = new Speculation(Drafts.NONE, 0, 0);

  public Speculation {
    if (mostDrafts < (drafts == Drafts.NONE ? 0 : 1) || mostDrafts >= StepRunner.MAX_OUTPUTS) {
      throw new IllegalArgumentException(
          "--spec-draft-n-max: expected 1 to "
              + (StepRunner.MAX_OUTPUTS - 1)
              + ", found "
              + mostDrafts);
    }
    if (!(leastProbable >= 0 && leastProbable <= 1)) {
      throw new IllegalArgumentException(
          "--spec-draft-p-min: expected 0 to 1, found " + leastProbable);
    }
  }
}
