package dev.yuzui.cli.bench;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.util.Locale;

/**
 * What guessing is worth: (accepted guesses a step + 1) · plain / (checking + drafting).
 *
 * @param nTexts texts, each made without guesses and with
 * @param nGen tokens of each
 * @param acceptedPerStep guesses that were right, of those that a step checked
 * @param plainMs a step of one token
 * @param checkingMs a step of one token and its guesses, which are not always as many
 * @param draftingMs making them
 * @param predictedGain by those costs
 * @param plainTs tokens a second without guesses
 * @param guessingTs with them
 * @param measuredGain of the one over the other
 * @param v3Gain what the acceptance rate, of one guess at a time, gives DeepSeek-V3 where memory
 *     limits it; see {@link MemoryBound}
 * @param ratio of guessingTs over the first of several backends'; 0 for one
 */
record SpeculationRow(
    @JsonUnwrapped BenchSetup setup,
    int nTexts,
    int nGen,
    int draftNMax,
    String testTime,
    long drafts,
    long draftTokens,
    long acceptedTokens,
    double acceptanceRate,
    double acceptedPerStep,
    double plainMs,
    double checkingMs,
    double draftingMs,
    double predictedGain,
    double plainTs,
    double guessingTs,
    double measuredGain,
    double v3Gain,
    double ratio)
    implements Benchmark.Row {

  /**
   * (accepted + 1) tokens in the time of a step and its drafts, over one token in the time of a
   * plain step.
   */
  static double gain(double accepted, double plain, double checking, double drafting) {
    return (1 + accepted) * plain / (checking + drafting);
  }

  @Override
  public double merit() {
    return guessingTs;
  }

  @Override
  public SpeculationRow withRatio(double ratio) {
    return new SpeculationRow(
        setup,
        nTexts,
        nGen,
        draftNMax,
        testTime,
        drafts,
        draftTokens,
        acceptedTokens,
        acceptanceRate,
        acceptedPerStep,
        plainMs,
        checkingMs,
        draftingMs,
        predictedGain,
        plainTs,
        guessingTs,
        measuredGain,
        v3Gain,
        ratio);
  }

  @Override
  public String markdown() {
    return String.format(
        Locale.ROOT,
        "%s %d x tg%d | %.3f | %.4f | %.4f (%.2f) | %.4f (%.2f) | %.2f | %.1f | %.1f | %.2f | %.2f"
            + " |",
        setup.markdown(),
        nTexts,
        nGen,
        acceptanceRate,
        plainMs,
        checkingMs,
        checkingMs / plainMs,
        draftingMs,
        draftingMs / plainMs,
        predictedGain,
        plainTs,
        guessingTs,
        measuredGain,
        v3Gain);
  }
}
