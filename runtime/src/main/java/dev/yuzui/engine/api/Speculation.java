package dev.yuzui.engine.api;

import dev.yuzui.model.Step;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * How the tokens to come are guessed, so that one step can check several. Guesses never change what
 * is sampled.
 *
 * @param mostDrafts guessed at a time
 * @param leastProbable drafts of a smaller probability are dropped, if a model makes them
 * @param vocabulary MTP drafts are chosen among the first so many tokens; empty: half of them, of
 *     {@value #LARGE} or more
 * @param model that makes {@link Drafts#MODEL}; empty for others
 */
public record Speculation(
    Drafts drafts,
    int mostDrafts,
    double leastProbable,
    OptionalInt vocabulary,
    Optional<DraftModel> model) {
  private static final int LARGE = 4096;

  /** Who guesses. */
  public enum Drafts {
    NONE,
    /** The model's multi-token prediction layer. */
    MTP,
    /** Another model. */
    MODEL,
    /** What followed the last tokens when they came up before. */
    NGRAM
  }

  public static final Speculation NONE = new Speculation(Drafts.NONE, 0, 0);

  public Speculation {
    int least = drafts == Drafts.NONE ? 0 : 1;
    Expected.that(
        mostDrafts >= least && mostDrafts < Step.OUTPUTS,
        "Speculation.mostDrafts",
        least + " to " + (Step.OUTPUTS - 1),
        mostDrafts);
    Expected.that(
        leastProbable >= 0 && leastProbable <= 1,
        "Speculation.leastProbable",
        "0 to 1",
        leastProbable);
    Expected.atLeast(1, vocabulary.orElse(1), "Speculation.vocabulary");
    Expected.that(
        model.isPresent() == (drafts == Drafts.MODEL),
        "Speculation.model",
        drafts == Drafts.MODEL ? "one that makes the drafts" : "none with drafts " + drafts,
        model.isPresent() ? "one" : "none");
  }

  public Speculation(Drafts drafts, int mostDrafts, double leastProbable, OptionalInt vocabulary) {
    this(drafts, mostDrafts, leastProbable, vocabulary, Optional.empty());
  }

  public Speculation(Drafts drafts, int mostDrafts, double leastProbable) {
    this(drafts, mostDrafts, leastProbable, OptionalInt.empty());
  }

  /** Drafts by another model. */
  public static Speculation by(DraftModel model, int mostDrafts, double leastProbable) {
    return new Speculation(
        Drafts.MODEL, mostDrafts, leastProbable, OptionalInt.empty(), Optional.of(model));
  }

  /**
   * Of a model's tokens, how many drafts are chosen among. Tokenizers number tokens in the order in
   * which pairs were merged, the most frequent first, so that the second half makes few tokens of a
   * text and takes half of the head, which is half of what a draft reads. Zhao et al. 2025
   * (FR-Spec) count frequencies instead, for heads of draft models.
   */
  public int vocabulary(int size) {
    return Math.min(size, vocabulary.orElse(size < LARGE ? size : size / 2));
  }
}
