package dev.yuzui.engine.api;

import dev.yuzui.grammar.GrammarSource;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.RecordCopy;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * @param prompt token ids, BOS included where the model wants one; not empty
 * @param maxTokens to generate at most; −1 means up to the context length
 * @param stop texts that end the generation; not part of the result
 * @param ignoreEos go on past the model's end tokens
 * @param drafts whether tokens may be guessed, where the engine does; the text is the same
 * @param constraint what the answer may be; compiled while others run
 * @param logprobs so many of the most probable tokens are told at each place, with what was drawn;
 *     of the model's own distribution, whatever shaped the draw; empty tells nothing
 * @param timeout from the moment the request is made, waiting included
 */
public record GenerateRequest(
    List<Integer> prompt,
    SamplingParams sampling,
    int maxTokens,
    List<String> stop,
    boolean ignoreEos,
    boolean drafts,
    Optional<Constraint> constraint,
    OptionalInt logprobs,
    Optional<Duration> timeout) {

  public GenerateRequest {
    prompt = List.copyOf(prompt);
    stop = List.copyOf(stop);
    Expected.that(!prompt.isEmpty(), "GenerateRequest.prompt", "one token or more", "none");
    Expected.that(
        maxTokens >= -1, "GenerateRequest.maxTokens", "a count, or -1 for all", maxTokens);
    Expected.that(
        !stop.contains(""), "GenerateRequest.stop", "texts that can occur", "an empty one");
    Expected.that(
        timeout.map(Duration::isPositive).orElse(true),
        "GenerateRequest.timeout",
        "more than none",
        timeout.map(Duration::toString).orElse(""));
    Objects.requireNonNull(sampling);
    Objects.requireNonNull(constraint);
    Expected.that(
        logprobs.orElse(0) >= 0 && logprobs.orElse(0) <= TokenLogprobs.MOST,
        "GenerateRequest.logprobs",
        "0 to " + TokenLogprobs.MOST,
        logprobs.orElse(0));
  }

  /** Sampled as {@link SamplingParams#DEFAULT} says, until the model ends it. */
  public static GenerateRequest of(List<Integer> prompt) {
    return new GenerateRequest(
        prompt,
        SamplingParams.DEFAULT,
        -1,
        List.of(),
        false,
        true,
        Optional.empty(),
        OptionalInt.empty(),
        Optional.empty());
  }

  public static GenerateRequest of(int... prompt) {
    return of(Arrays.stream(prompt).boxed().toList());
  }

  public GenerateRequest withSampling(SamplingParams params) {
    return RecordCopy.with(this, "sampling", params);
  }

  public GenerateRequest withMaxTokens(int tokens) {
    return RecordCopy.with(this, "maxTokens", tokens);
  }

  public GenerateRequest withStop(List<String> texts) {
    return RecordCopy.with(this, "stop", texts);
  }

  public GenerateRequest withIgnoreEos(boolean goOn) {
    return RecordCopy.with(this, "ignoreEos", goOn);
  }

  public GenerateRequest withDrafts(boolean guess) {
    return RecordCopy.with(this, "drafts", guess);
  }

  /** The answer is a text of this grammar, from its first token on. */
  public GenerateRequest withGrammar(GrammarSource grammar) {
    return withConstraint(Constraint.of(grammar));
  }

  public GenerateRequest withConstraint(Constraint what) {
    return RecordCopy.with(this, "constraint", Optional.of(what));
  }

  /**
   * @param most tokens told at each place besides the one that was drawn
   */
  public GenerateRequest withLogprobs(int most) {
    return RecordCopy.with(this, "logprobs", OptionalInt.of(most));
  }

  public GenerateRequest withTimeout(Duration limit) {
    return RecordCopy.with(this, "timeout", Optional.of(limit));
  }
}
