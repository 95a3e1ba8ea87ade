package dev.yuzui.sampling;

import dev.yuzui.spi.RecordCopy;
import java.util.Map;
import java.util.Objects;
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
    Penalties penalties,
    Dry dry,
    Map<Integer, Float> logitBias,
    OptionalLong seed) {

  /** What people type where they mean no seed, as llama.cpp and vLLM have it. */
  public static final long RANDOM_SEED = -1;

  /**
   * For models that publish no defaults of their own: temperature 0.7, top-k 40, top-p 0.95, min-p
   * 0.05, everything else off.
   */
  public static final SamplingParams DEFAULT =
      new SamplingParams(
          0.7, 40, 0.95, 0.05, 1, Penalties.OFF, Dry.OFF, Map.of(), OptionalLong.empty());

  /** The most probable token, always. */
  public static final SamplingParams GREEDY = DEFAULT.withTemperature(0);

  /** Tokens that the presence and the frequency penalty look at. */
  public enum Counted {
    /** Those of {@link Penalties#lastN}'s window, as llama.cpp has it. */
    WINDOW,
    /** All that were generated and none of the prompt, as the OpenAI interface has it. */
    GENERATED
  }

  /**
   * What tokens lose for having been there.
   *
   * @param repeat positive logits of tokens in the window are divided by it, negative ones
   *     multiplied (arXiv:1909.05858); 1 is off
   * @param lastN window in tokens, those of the prompt included; −1 is everything, 0 is off
   * @param presence subtracted from the logit of every token that {@code counted} counts
   * @param frequency subtracted as often as {@code counted} counts the token
   * @param counted which tokens the presence and the frequency penalty look at
   */
  public record Penalties(
      double repeat, int lastN, double presence, double frequency, Counted counted) {
    /** A window of 64 tokens once a penalty is given. */
    public static final Penalties OFF = new Penalties(1, 64, 0, 0, Counted.WINDOW);

    public Penalties {
      check(repeat > 0 && repeat <= 1e6, "Penalties.repeat", "above 0; 1 is off", repeat);
      check(lastN >= -1, "Penalties.lastN", "a count, 0 (off) or -1 (all)", lastN);
      check(Math.abs(presence) <= 1e6, "Penalties.presence", "a number; 0 is off", presence);
      check(Math.abs(frequency) <= 1e6, "Penalties.frequency", "a number; 0 is off", frequency);
      Objects.requireNonNull(counted);
    }

    /** Whether tokens of the window lose by being there. */
    boolean repeats() {
      return lastN != 0 && repeat != 1;
    }

    /** Whether tokens lose by being counted. */
    boolean counts() {
      return (counted == Counted.GENERATED || lastN != 0) && (presence != 0 || frequency != 0);
    }
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

  /**
   * How many of a row's best logits decide the draw, ties to the lower id; 0 where all of them may.
   * Top-k comes before every filter that looks at probabilities.
   */
  public int candidates() {
    if (penalties.repeats() || penalties.counts() || dry.multiplier() > 0 || !logitBias.isEmpty()) {
      return 0;
    }
    return temperature == 0 ? 1 : topK;
  }

  public SamplingParams withTemperature(double value) {
    return RecordCopy.with(this, "temperature", value);
  }

  public SamplingParams withTopK(int value) {
    return RecordCopy.with(this, "topK", value);
  }

  public SamplingParams withTopP(double value) {
    return RecordCopy.with(this, "topP", value);
  }

  public SamplingParams withMinP(double value) {
    return RecordCopy.with(this, "minP", value);
  }

  public SamplingParams withTypicalP(double value) {
    return RecordCopy.with(this, "typicalP", value);
  }

  public SamplingParams withPenalties(Penalties value) {
    return RecordCopy.with(this, "penalties", value);
  }

  /** What the presence and the frequency penalty count stays as it is. */
  public SamplingParams withPenalties(double repeat, int lastN, double presence, double frequency) {
    return withPenalties(new Penalties(repeat, lastN, presence, frequency, penalties.counted()));
  }

  public SamplingParams withCounted(Counted value) {
    return withPenalties(RecordCopy.with(penalties, "counted", value));
  }

  public SamplingParams withDry(Dry value) {
    return RecordCopy.with(this, "dry", value);
  }

  public SamplingParams withLogitBias(Map<Integer, Float> value) {
    return RecordCopy.with(this, "logitBias", value);
  }

  /**
   * @param value 0 or more, or {@link #RANDOM_SEED}
   */
  public SamplingParams withSeed(long value) {
    return RecordCopy.with(this, "seed", OptionalLong.of(value));
  }

  /**
   * Of the i-th of several answers to one prompt: the seed counts up, and begins anew with 0 behind
   * the largest; a random one stays so.
   */
  public SamplingParams forAnswer(int answer) {
    return seed.isEmpty() ? this : withSeed((seed.getAsLong() + answer) & Long.MAX_VALUE);
  }
}
