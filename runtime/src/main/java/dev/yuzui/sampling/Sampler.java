package dev.yuzui.sampling;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Draws the next token of one sequence. The same parameters, seed, history and logits give the same
 * token on every machine: draws come from SplitMix64 (Steele, Lea and Flood, 2014), sums are double
 * and in a fixed order, ties go to the lower id. Not for several threads at once.
 */
public final class Sampler {
  private final SamplingParams params;
  private final int vocabulary;
  private final long seed;
  private final SamplingScratch scratch;
  private final float[] logits;
  private final Candidates candidates;
  private final RepeatPenalties penalties;
  private final int promptLength;
  private long random;
  private int[] history;
  private int length;

  /**
   * @param vocabulary logits per row
   * @param prompt seeds the history the penalties look at
   */
  public Sampler(SamplingParams params, int vocabulary, int[] prompt) {
    this(params, new SamplingScratch(vocabulary), prompt);
  }

  /**
   * @param scratch that no other thread draws with
   * @param prompt seeds the history the penalties look at
   */
  public Sampler(SamplingParams params, SamplingScratch scratch, int[] prompt) {
    this(
        params,
        scratch,
        params.seed().isPresent()
            ? params.seed().getAsLong()
            : new SplittableRandom().nextLong() >>> 11, // short enough to be typed again
        prompt.clone(),
        prompt.length,
        prompt.length);
    random = seed;
  }

  private Sampler(
      SamplingParams params,
      SamplingScratch scratch,
      long seed,
      int[] history,
      int promptLength,
      int length) {
    int vocabulary = scratch.vocabulary();
    params.logitBias().keySet().stream()
        .filter(id -> id >= vocabulary)
        .findAny()
        .ifPresent(
            id -> {
              throw new IllegalArgumentException(
                  "SamplingParams.logitBias: expected token ids below "
                      + vocabulary
                      + ", found "
                      + id);
            });
    this.params = params;
    this.vocabulary = vocabulary;
    this.seed = seed;
    this.history = history;
    this.promptLength = promptLength;
    this.length = length;
    this.scratch = scratch;
    logits = scratch.logits;
    candidates = scratch.candidates;
    penalties = new RepeatPenalties(params, vocabulary, history, promptLength, length);
  }

  /** What to pass as seed to draw the same again. */
  public long seed() {
    return seed;
  }

  /** The next token; {@code row} is left as it is. The history is not changed either. */
  public int sample(float[] row) {
    checkLength(row.length);
    System.arraycopy(row, 0, logits, 0, vocabulary);
    return choose();
  }

  /**
   * @param row F32, native byte order
   */
  public int sample(MemorySegment row) {
    checkLength(row.byteSize() / Float.BYTES);
    MemorySegment.copy(row, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, logits, 0, vocabulary);
    return choose();
  }

  /**
   * {@link #sample(float[])} of a row by its best logits, which is the same where {@link
   * SamplingParams#candidates} is not 0.
   *
   * @param ids of at least that many tokens, or of the whole vocabulary, best first
   * @param values their logits
   */
  public int sample(int[] ids, float[] values) {
    int wanted = Math.min(params.candidates(), vocabulary);
    if (wanted == 0 || ids.length < wanted || values.length != ids.length) {
      throw new IllegalArgumentException(
          (wanted == 0 ? "all logits decide this draw" : wanted + " candidates decide this draw")
              + ", found "
              + ids.length
              + " ids and "
              + values.length
              + " logits");
    }
    candidates.take(ids, values, wanted);
    return params.temperature() == 0 ? candidates.id(0) : draw();
  }

  /**
   * {@link #sample(float[])} among some tokens alone.
   *
   * @param allowed a bit for each token, from the lowest of the first word; those behind are not
   *     allowed
   */
  public int sample(float[] row, long[] allowed) {
    checkLength(row.length);
    System.arraycopy(row, 0, logits, 0, vocabulary);
    penalise();
    for (int id = 0; id < vocabulary; id++) {
      int word = id >> 6;
      if (word >= allowed.length || (allowed[word] >>> id & 1) == 0) {
        logits[id] = Float.NEGATIVE_INFINITY;
      }
    }
    return filter();
  }

  /** Adds a token to the history: one that was drawn, or that takes the place of one drawn. */
  public void accept(int token) {
    if (length == history.length) {
      history = Arrays.copyOf(history, Math.max(64, 2 * length));
    }
    history[length++] = token;
    penalties.accept(history, length);
  }

  /**
   * A sampler with the same history that goes its own way, on the same thread.
   *
   * @param stream 0 draws what this one will draw; any other number draws independently
   */
  public Sampler fork(int stream) {
    Sampler fork = new Sampler(params, scratch, seed, history.clone(), promptLength, length);
    fork.random = stream == 0 ? random : mix(random + mix(stream));
    return fork;
  }

  private int choose() {
    penalise();
    return filter();
  }

  private void penalise() {
    params.logitBias().forEach((id, bias) -> logits[id] += bias);
    penalties.apply(logits, history, length);
  }

  private int filter() {
    if (params.temperature() == 0) {
      return greedy();
    }
    candidates.fill(logits);
    if (params.topK() > 0) {
      candidates.topK(params.topK());
    }
    return draw();
  }

  /** What follows top-k: it looks at the candidates alone. */
  private int draw() {
    if (params.typicalP() < 1) {
      candidates.typical(params.typicalP());
    }
    if (params.topP() < 1) {
      candidates.topP(params.topP());
    }
    if (params.minP() > 0) {
      candidates.minP(params.minP());
    }
    return candidates.draw(params.temperature(), uniform());
  }

  private int greedy() {
    int best = -1;
    float most = Float.NEGATIVE_INFINITY;
    for (int id = 0; id < vocabulary; id++) {
      float logit = logits[id];
      if (logit > most) {
        most = logit;
        best = id;
      } else if (Float.isNaN(logit)) {
        throw Candidates.notANumber(id);
      }
    }
    Candidates.checkDrawable(most);
    return best;
  }

  private void checkLength(long length) {
    if (length != vocabulary) {
      throw new IllegalArgumentException(
          "logits: expected " + vocabulary + " numbers, found " + length);
    }
  }

  /** 53 random bits in [0, 1). */
  private double uniform() {
    random += 0x9E3779B97F4A7C15L;
    return (mix(random) >>> 11) * 0x1p-53;
  }

  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
