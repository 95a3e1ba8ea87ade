package dev.yuzui.sampling;

import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;

/**
 * How tokens are drawn. Filters look at the probabilities before temperature, each at what the one
 * before it left, renormalised.
 *
 * @param temperature logits are divided by it; 0 takes the most probable token
 * @param topK keep the k most probable; 0 keeps all
 * @param topP keep the most probable that together reach p; 1 keeps all
 * @param minP keep those at least p times as probable as the best; 0 keeps all
 * @param typicalP keep those whose surprise −log p is closest to the entropy and that together
 *     reach p (arXiv:2202.00666); 1 keeps all
 * @param repeatPenalty positive logits of tokens in the window are divided by it, negative ones
 *     multiplied (arXiv:1909.05858); 1 is off
 * @param repeatLastN window of the penalties in tokens, those of the prompt included; −1 is
 *     everything, 0 is off
 * @param presencePenalty subtracted from the logit of every token that {@code counted} counts
 * @param frequencyPenalty subtracted as often as {@code counted} counts the token
 * @param counted which tokens the presence and the frequency penalty look at
 * @param logitBias added to the logit of a token id; −∞ forbids it
 * @param seed of the draws, 0 or more; empty takes a random one, and so does {@link #RANDOM_SEED},
 *     which becomes empty
 */
public record SamplingParams(
    double temperature,
    int topK,
    double topP,
    double minP,
    double typicalP,
    double repeatPenalty,
    int repeatLastN,
    double presencePenalty,
    double frequencyPenalty,
    Counted counted,
    Dry dry,
    Map<Integer, Float> logitBias,
    OptionalLong seed) {

  /** What people type where they mean no seed, as llama.cpp and vLLM have it. */
  public static final long RANDOM_SEED = -1;

  /**
   * For models that publish no defaults of their own: temperature 0.7, top-k 40, top-p 0.95, min-p
   * 0.05, everything else off (window 64 tokens once a penalty is given).
   */
  public static final SamplingParams DEFAULT =
      new SamplingParams(
          0.7,
          40,
          0.95,
          0.05,
          1,
          1,
          64,
          0,
          0,
          Counted.WINDOW,
          Dry.OFF,
          Map.of(),
          OptionalLong.empty());

  /** The most probable token, always. */
  public static final SamplingParams GREEDY = DEFAULT.withTemperature(0);

  /** Tokens that the presence and the frequency penalty look at. */
  public enum Counted {
    /** Those of {@link #repeatLastN}'s window, as llama.cpp has it. */
    WINDOW,
    /** All that were generated and none of the prompt, as the OpenAI interface has it. */
    GENERATED
  }

  /**
   * "Don't repeat yourself": a token that would lengthen a repetition of {@code length} tokens
   * loses multiplier · base^(length − allowedLength), if length ≥ allowedLength.
   *
   * @param multiplier 0 is off
   * @param lastN tokens looked back; −1 is everything, 0 is off
   * @param breakers token ids no repetition reaches across, and that are never penalised
   */
  public record Dry(
      double multiplier, double base, int allowedLength, int lastN, Set<Integer> breakers) {
    public static final Dry OFF = new Dry(0, 1.75, 2, -1, Set.of());

    public Dry {
      check(multiplier >= 0 && multiplier < 1e6, "Dry.multiplier", "0 (off) or more", multiplier);
      check(base >= 1 && base < 1e6, "Dry.base", "1 or more", base);
      check(allowedLength >= 1, "Dry.allowedLength", "1 or more", allowedLength);
      check(lastN >= -1, "Dry.lastN", "a count, 0 (off) or -1 (all)", lastN);
      breakers = Set.copyOf(breakers);
    }
  }

  public SamplingParams {
    check(
        temperature >= 0 && temperature <= 1e6,
        "SamplingParams.temperature",
        "0 (greedy) or more",
        temperature);
    check(topK >= 0, "SamplingParams.topK", "0 (off) or more", topK);
    check(topP > 0 && topP <= 1, "SamplingParams.topP", "above 0, up to 1 (off)", topP);
    check(minP >= 0 && minP <= 1, "SamplingParams.minP", "0 (off) to 1", minP);
    check(
        typicalP > 0 && typicalP <= 1,
        "SamplingParams.typicalP",
        "above 0, up to 1 (off)",
        typicalP);
    check(
        repeatPenalty > 0 && repeatPenalty <= 1e6,
        "SamplingParams.repeatPenalty",
        "above 0; 1 is off",
        repeatPenalty);
    check(
        repeatLastN >= -1,
        "SamplingParams.repeatLastN",
        "a count, 0 (off) or -1 (all)",
        repeatLastN);
    check(
        Math.abs(presencePenalty) <= 1e6,
        "SamplingParams.presencePenalty",
        "a number; 0 is off",
        presencePenalty);
    check(
        Math.abs(frequencyPenalty) <= 1e6,
        "SamplingParams.frequencyPenalty",
        "a number; 0 is off",
        frequencyPenalty);
    // a smaller one would reach -1 where the seeds of several answers count up
    check(
        seed.orElse(0) >= RANDOM_SEED,
        "SamplingParams.seed",
        "0 or more, or -1 for a random one",
        seed.orElse(0));
    seed = seed.orElse(0) == RANDOM_SEED ? OptionalLong.empty() : seed;
    logitBias = Map.copyOf(logitBias);
    logitBias.forEach(
        (id, bias) -> {
          check(id >= 0, "SamplingParams.logitBias", "a token id, 0 or more", id);
          check(
              bias < Float.POSITIVE_INFINITY,
              "SamplingParams.logitBias",
              "a finite number or -inf for token " + id,
              bias);
        });
  }

  private static void check(boolean good, String name, String expected, Object found) {
    if (!good) {
      throw new IllegalArgumentException(name + ": expected " + expected + ", found " + found);
    }
  }

  /** Whether tokens of the window lose by being there. */
  boolean repeats() {
    return repeatLastN != 0 && repeatPenalty != 1;
  }

  /** Whether tokens lose by being counted. */
  boolean counts() {
    return (counted == Counted.GENERATED || repeatLastN != 0)
        && (presencePenalty != 0 || frequencyPenalty != 0);
  }

  /**
   * How many of a row's best logits decide the draw, ties to the lower id; 0 where all of them may.
   * Top-k comes before every filter that looks at probabilities.
   */
  public int candidates() {
    if (repeats() || counts() || dry.multiplier() > 0 || !logitBias.isEmpty()) {
      return 0;
    }
    return temperature == 0 ? 1 : topK;
  }

  public SamplingParams withTemperature(double value) {
    return new SamplingParams(
        value,
        topK,
        topP,
        minP,
        typicalP,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        counted,
        dry,
        logitBias,
        seed);
  }

  public SamplingParams withTopK(int value) {
    return new SamplingParams(
        temperature,
        value,
        topP,
        minP,
        typicalP,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        counted,
        dry,
        logitBias,
        seed);
  }

  public SamplingParams withTopP(double value) {
    return new SamplingParams(
        temperature,
        topK,
        value,
        minP,
        typicalP,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        counted,
        dry,
        logitBias,
        seed);
  }

  public SamplingParams withMinP(double value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        value,
        typicalP,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        counted,
        dry,
        logitBias,
        seed);
  }

  public SamplingParams withTypicalP(double value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        value,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        counted,
        dry,
        logitBias,
        seed);
  }

  public SamplingParams withPenalties(double repeat, int lastN, double presence, double frequency) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        typicalP,
        repeat,
        lastN,
        presence,
        frequency,
        counted,
        dry,
        logitBias,
        seed);
  }

  public SamplingParams withCounted(Counted value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        typicalP,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        value,
        dry,
        logitBias,
        seed);
  }

  public SamplingParams withDry(Dry value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        typicalP,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        counted,
        value,
        logitBias,
        seed);
  }

  public SamplingParams withLogitBias(Map<Integer, Float> value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        typicalP,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        counted,
        dry,
        value,
        seed);
  }

  /**
   * @param value 0 or more, or {@link #RANDOM_SEED}
   */
  public SamplingParams withSeed(long value) {
    return new SamplingParams(
        temperature,
        topK,
        topP,
        minP,
        typicalP,
        repeatPenalty,
        repeatLastN,
        presencePenalty,
        frequencyPenalty,
        counted,
        dry,
        logitBias,
        OptionalLong.of(value));
  }

  /**
   * Of the i-th of several answers to one prompt: the seed counts up, and begins anew with 0 behind
   * the largest; a random one stays so.
   */
  public SamplingParams forAnswer(int answer) {
    return seed.isEmpty() ? this : withSeed((seed.getAsLong() + answer) & Long.MAX_VALUE);
  }
}
