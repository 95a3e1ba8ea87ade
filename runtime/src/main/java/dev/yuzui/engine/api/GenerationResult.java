package dev.yuzui.engine.api;

import java.util.List;
import java.util.Optional;

/**
 * @param text all that was streamed
 * @param tokens sampled, the end token included
 * @param logprobs of each token; empty unless the request asked for them
 * @param stop the stop text that ended it, which is not part of {@code text}
 */
public record GenerationResult(
    String text,
    List<Integer> tokens,
    List<TokenLogprobs> logprobs,
    FinishReason finish,
    Optional<String> stop,
    Timings timings,
    Speculative speculative) {

  /** Without {@link #logprobs} and {@link #stop}. */
  public GenerationResult(
      String text,
      List<Integer> tokens,
      FinishReason finish,
      Timings timings,
      Speculative speculative) {
    this(text, tokens, List.of(), finish, Optional.empty(), timings, speculative);
  }

  /**
   * Guesses at what would be sampled.
   *
   * @param drafts steps that checked some
   * @param draftTokens that were checked
   * @param acceptedTokens that were right, each of which saved a step
   */
  public record Speculative(int drafts, int draftTokens, int acceptedTokens) {
    public static final Speculative NONE = new Speculative(0, 0, 0);

    public double acceptanceRate() {
      return draftTokens == 0 ? 0 : (double) acceptedTokens / draftTokens;
    }
  }

  /**
   * @param queueSeconds from the request to its first step
   * @param cachedTokens of the prompt, found in the cache
   * @param promptTokens read by the model: those not found
   * @param promptSeconds from the first step to the first token
   * @param predictedTokens made after the first, whose cost is the prompt's
   */
  public record Timings(
      double queueSeconds,
      int cachedTokens,
      int promptTokens,
      double promptSeconds,
      int predictedTokens,
      double predictedSeconds) {

    public double promptPerSecond() {
      return promptSeconds > 0 ? promptTokens / promptSeconds : 0;
    }

    public double predictedPerSecond() {
      return predictedSeconds > 0 ? predictedTokens / predictedSeconds : 0;
    }
  }
}
