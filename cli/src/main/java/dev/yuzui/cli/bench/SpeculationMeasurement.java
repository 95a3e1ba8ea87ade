package dev.yuzui.cli.bench;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.StepTimes;
import dev.yuzui.io.Texts;
import dev.yuzui.sampling.SamplingParams;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;

/**
 * The same texts without guesses and with, one after the other, in turn: a machine that slows down
 * does so for both.
 *
 * @param texts made each way; their beginnings are those of {@link #BEGINNINGS} over and over
 */
record SpeculationMeasurement(Speculation how, int texts, int gen) implements Benchmark {
  private static final List<String> BEGINNINGS =
      List.of(
          "Once upon a time",
          "The old king said to his daughter",
          "In the middle of the forest there was",
          "\"I will not go,\" said the");

  /** Tokens that a beginning takes at most; models differ. */
  private static final int BEGINNING = 32;

  /** Of context, where the prediction for DeepSeek-V3 is made. */
  private static final int V3_CONTEXT = 4096;

  @Override
  public int length() {
    return BEGINNING + gen;
  }

  /** A text, both ways. */
  @Override
  public int repetitions() {
    return texts;
  }

  @Override
  public Measurement start(Engine engine, boolean warmUp) {
    if (warmUp) {
      Benchmark.warmUp(
          () -> {
            answer(engine, 0, false);
            answer(engine, 1, true);
          });
    }
    return new Texts(engine);
  }

  private final class Texts implements Measurement {
    private final Engine engine;
    private final EngineMetrics before;
    private final StepTimes stepsBefore;
    private final String started = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    private final double[] seconds = new double[2];
    private final long[] tokens = new long[2];
    private int made;

    Texts(Engine engine) {
      this.engine = engine;
      this.before = engine.metrics();
      this.stepsBefore = engine.stepTimes();
    }

    @Override
    public void repeat() {
      for (boolean guess : new boolean[] {made % 2 == 0, made % 2 != 0}) {
        GenerationResult result = answer(engine, made, guess);
        seconds[guess ? 1 : 0] += result.timings().predictedSeconds();
        tokens[guess ? 1 : 0] += result.tokens().size() - 1;
      }
      made++;
    }

    @Override
    public SpeculationRow row(List<Row> earlier) {
      StepTimes steps = engine.stepTimes().minus(stepsBefore);
      return SpeculationMeasurement.this.row(engine, started, before, steps, tokens, seconds);
    }

    @Override
    public void close() {
      // holds nothing
    }
  }

  private GenerationResult answer(Engine engine, int text, boolean guess) {
    String beginning = BEGINNINGS.get(text % BEGINNINGS.size());
    return engine
        .generate(
            GenerateRequest.of(engine.tokenizer().encode(beginning, true))
                .withSampling(SamplingParams.GREEDY)
                .withMaxTokens(gen)
                .withIgnoreEos(true)
                .withDrafts(guess))
        .await();
  }

  private SpeculationRow row(
      Engine engine,
      String started,
      EngineMetrics before,
      StepTimes steps,
      long[] tokens,
      double[] seconds) {
    EngineMetrics after = engine.metrics();
    long drafts = after.drafts() - before.drafts();
    long draftTokens = after.draftTokens() - before.draftTokens();
    long accepted = after.acceptedTokens() - before.acceptedTokens();
    double acceptance = draftTokens == 0 ? 0 : (double) accepted / draftTokens;
    double atOnce = drafts == 0 ? 0 : (double) accepted / drafts;
    double plain = steps.plain().milliseconds();
    double checking = steps.checking().milliseconds();
    double drafting = steps.drafting().steps() == 0 ? 0 : steps.drafting().milliseconds();
    double plainRate = tokens[0] / seconds[0];
    double guessingRate = tokens[1] / seconds[1];
    return new SpeculationRow(
        BenchSetup.of(engine),
        texts,
        gen,
        how.mostDrafts(),
        started,
        drafts,
        draftTokens,
        accepted,
        acceptance,
        atOnce,
        plain,
        checking,
        drafting,
        SpeculationRow.gain(atOnce, plain, checking, drafting),
        plainRate,
        guessingRate,
        guessingRate / plainRate,
        MemoryBound.V3.gain(acceptance, V3_CONTEXT),
        0);
  }
}
