package dev.yuzui.engine.draft;

import dev.yuzui.engine.api.StepTimes;
import java.util.OptionalDouble;

/**
 * Whether guessing pays, by what the engine's own steps have cost. With n sequences that make text,
 * of which g would guess k tokens each, and a guesses of each accepted at once,
 *
 * <pre>
 *   with guesses, n + g·a tokens in   steps(n + g·k) + drafting(g)
 *   without,      n tokens in         steps(n) + keeping(n)
 * </pre>
 *
 * where keeping is what it costs to write the MTP layer's cache although nobody guesses: its
 * projection and the latent of each token, no attention, experts or head; 3 to 5 % of a step of the
 * embedded model, 0.3 % of the weights that a token of DeepSeek-V3 goes through. That much is paid
 * so that every sequence can guess again in the step in which it pays again: the states that the
 * entries are made of are gone after their step, and making them again is reading the text again.
 *
 * <p>A lone sequence always guesses. Costs drift, and those of what is not done are not seen, so
 * now and then a step does the opposite of what they say: the rarer, the longer they have been
 * right. Used by the engine's thread.
 */
public final class DraftCosts {
  /** Steps until the first does the opposite, when what pays has just changed. */
  static final int SOONEST_PROBE = 32;

  static final int LATEST_PROBE = 1024;

  /** A new check of guesses counts so much. */
  private static final double SHARE = 1.0 / 64;

  private final int mostDrafts;
  private final int mostRows;
  private final StepCosts steps;
  private final StepCosts drafting;
  private final StepCosts keeping;
  private double acceptedAtOnce;
  private boolean paid = true;
  private int probeAfter = SOONEST_PROBE;
  private int untilProbe = SOONEST_PROBE;

  /**
   * @param mostRows of decoded tokens and guesses that a step has room for
   */
  public DraftCosts(int mostDrafts, int mostRows) {
    this.mostDrafts = mostDrafts;
    this.mostRows = mostRows;
    this.steps = new StepCosts(mostRows);
    this.drafting = new StepCosts(mostRows);
    this.keeping = new StepCosts(mostRows);
    this.acceptedAtOnce = mostDrafts; // until it is known, the best
  }

  /** A step whose rows were all decoded tokens and guesses took so long. */
  public void stepTook(int rows, long nanos) {
    steps.add(rows, nanos);
  }

  /** Guesses for so many sequences that made text took so long. */
  public void draftingTook(int guessing, long nanos) {
    drafting.add(guessing, nanos);
  }

  /** The MTP layer's entries of so many decoded tokens alone took so long. */
  public void keepingTook(int rows, long nanos) {
    keeping.add(rows, nanos);
  }

  /** Of a sequence's guesses so many were right. */
  public void checked(int right) {
    acceptedAtOnce += SHARE * (right - acceptedAtOnce);
  }

  /** What the steps of a lone sequence took. */
  public StepTimes times() {
    return new StepTimes(steps.total(1, 1), steps.total(2, 1 + mostDrafts), drafting.total(1, 1));
  }

  /**
   * Whether to guess now; asked once a step.
   *
   * @param writing sequences that make text
   * @param guessing of these, those that may guess
   */
  public boolean guess(int writing, int guessing) {
    if (writing <= 1) {
      return true;
    }
    if (writing >= mostRows) {
      return false; // no guess would be checked, nor anything learnt
    }
    boolean pays = pays(writing, guessing);
    if (pays != paid) {
      paid = pays;
      probeAfter = SOONEST_PROBE;
      untilProbe = probeAfter;
    }
    if (--untilProbe > 0) {
      return pays;
    }
    probeAfter = Math.min(2 * probeAfter, LATEST_PROBE);
    untilProbe = probeAfter;
    return !pays;
  }

  /** Yes as long as a cost is unknown. */
  private boolean pays(int writing, int guessing) {
    int guesses = guessing * mostDrafts;
    int checked = Math.min(guesses, mostRows - writing);
    OptionalDouble plain = steps.at(writing);
    OptionalDouble checking = steps.at(writing + checked);
    double kept = guesses == 0 ? 0 : acceptedAtOnce * guessing * checked / guesses;
    return plain.isEmpty()
        || checking.isEmpty()
        || (1 + kept / writing) * (plain.getAsDouble() + keeping.at(writing).orElse(0))
            >= checking.getAsDouble() + drafting.at(guessing).orElse(0);
  }
}
