package dev.yuzui.cli.bench;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.Session;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Parameters;
import dev.yuzui.weights.WeightBytes;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * What is timed: reading {@code prompt} tokens, then making {@code gen}, with {@code depth} tokens
 * in the cache before the clock starts; in {@code parallel} sequences, which read one after another
 * and make text together. A step that makes a token picks the best, reads it back, and is given the
 * next of {@code tokens} instead.
 *
 * @param assumeDepth the tokens of the depth are not read, their entries are random numbers
 */
record BenchMeasurement(
    BenchTokens tokens,
    int prompt,
    int gen,
    int depth,
    boolean assumeDepth,
    int parallel,
    int repetitions)
    implements Benchmark {
  /** Steps whose experts are counted. */
  private static final int COUNTED_STEPS = 4;

  @Override
  public int length() {
    return depth + prompt + gen;
  }

  @Override
  public Measurement start(Engine engine, boolean warmUp) {
    Sequences sequences = new Sequences(engine);
    try {
      sequences.begin(warmUp);
    } catch (RuntimeException | Error e) {
      sequences.close();
      throw e;
    }
    return sequences;
  }

  /** The sequences that are timed. */
  private final class Sequences implements Measurement {
    private final String started = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    private final Engine engine;
    private final SplittableRandom random = new SplittableRandom(1);
    private final List<Session> sessions = new ArrayList<>();
    private final List<Session.Mark> starts = new ArrayList<>();
    private final List<Long> nanos = new ArrayList<>();
    private final List<Double> rates = new ArrayList<>();

    Sequences(Engine engine) {
      this.engine = engine;
    }

    void begin(boolean warmUp) {
      int[][] read = tokens(engine, random);
      for (int i = 0; i < parallel; i++) {
        Session session = engine.newSession();
        sessions.add(session);
        if (assumeDepth) {
          session.assume(depth);
        } else {
          session.prefill(Arrays.copyOf(read[i], depth));
        }
        starts.add(session.mark());
      }
      if (warmUp) {
        int steps = Math.min(gen, WARM_UP_TOKENS);
        Benchmark.warmUp(() -> run(steps));
      }
    }

    @Override
    public void repeat() {
      long took = run(gen);
      nanos.add(took);
      rates.add((double) parallel * (prompt + gen) * 1e9 / took);
    }

    @Override
    public BenchRow row(List<Row> earlier) {
      BenchRow.BytesPerStep bytes =
          gen > 0 ? bytesPerStep(engine, expertsTouched()) : BenchRow.BytesPerStep.NONE;
      return new BenchRow(
          BenchSetup.of(engine),
          prompt,
          gen,
          depth,
          assumeDepth && depth > 0,
          parallel,
          started,
          BenchRow.mean(nanos),
          BenchRow.stddev(nanos),
          BenchRow.mean(rates),
          BenchRow.stddev(rates),
          nanos,
          rates,
          speedUp(BenchRow.mean(rates), earlier),
          0,
          promptFlop(engine.config()),
          bytes);
    }

    /** Nanoseconds of the prompts and {@code steps} made tokens of each sequence. */
    private long run(int steps) {
      rewind();
      int[][] given = tokens(engine, random);
      int[][] read = prompts(given);
      int[][] made = new int[steps][];
      Arrays.setAll(made, i -> column(given, depth + prompt + i));
      long start = System.nanoTime();
      read(read);
      for (int[] token : made) {
        engine.decodeTogether(sessions, token);
      }
      return System.nanoTime() - start;
    }

    /** Experts of a layer that a step's tokens went to, the mean over layers and a few steps. */
    private double expertsTouched() {
      rewind();
      int[][] given = tokens(engine, random);
      read(prompts(given));
      List<Integer> counts = new ArrayList<>();
      for (int i = 0; i < Math.min(gen, COUNTED_STEPS); i++) {
        counts.addAll(engine.countExperts(sessions, column(given, depth + prompt + i)));
      }
      return BenchRow.mean(counts);
    }

    /** Each sequence is as it was behind its depth. */
    private void rewind() {
      for (int i = 0; i < parallel; i++) {
        sessions.get(i).reset(starts.get(i));
      }
    }

    /** With the logits of each prompt's last token, as whoever goes on from there needs them. */
    private void read(int[][] prompts) {
      for (int i = 0; i < parallel && prompt > 0; i++) {
        int _ = sessions.get(i).firstToken(prompts[i]);
      }
    }

    private int[][] prompts(int[][] given) {
      return Arrays.stream(given)
          .map(of -> Arrays.copyOfRange(of, depth, depth + prompt))
          .toArray(int[][]::new);
    }

    @Override
    public void close() {
      sessions.forEach(Session::close);
    }
  }

  /** Over the same test of one sequence; 0 if that was not measured, or is this one. */
  private double speedUp(double rate, List<Row> earlier) {
    for (Row row : earlier) {
      if (row instanceof BenchRow one
          && one.nParallel() == 1
          && parallel > 1
          && one.nPrompt() == prompt
          && one.nGen() == gen
          && one.nDepth() == depth) {
        return rate / one.avgTs();
      }
    }
    return 0;
  }

  private BenchRow.BytesPerStep bytesPerStep(Engine engine, double expertsTouched) {
    DeepseekConfig c = engine.config();
    WeightBytes weights = WeightBytes.of(engine.checkpoint());
    long experts =
        c.gate().experts() == 0
            ? 0
            : Math.round(weights.routed() * expertsTouched / c.gate().experts());
    long read = c.cacheRead(depth + prompt + (gen + 1L) / 2);
    long cache = parallel * engine.options().cache().encoding().byteSize(1, read);
    long dense = weights.dense() + parallel * weights.embeddingRow();
    return new BenchRow.BytesPerStep(
        dense,
        weights.shared(),
        experts,
        weights.head(),
        cache,
        dense + weights.shared() + experts + weights.head() + cache,
        expertsTouched);
  }

  /** Products with the weights of active parameters, and scores and sums of expanded attention. */
  private double promptFlop(DeepseekConfig c) {
    long tables = 2L * c.vocabSize() * c.hiddenSize();
    double weights = Parameters.of(c).active() - tables;
    double pairs = (double) prompt * depth + prompt * (prompt + 1.0) / 2;
    double pair = (double) c.heads() * (c.attention().query() + c.attention().value());
    return 2 * parallel * (prompt * weights + c.layers() * pairs * pair);
  }

  /** [parallel][length()] */
  private int[][] tokens(Engine engine, SplittableRandom random) {
    return tokens.of(random, engine.config().vocabSize(), parallel, length());
  }

  /** One token of each sequence. */
  private static int[] column(int[][] tokens, int position) {
    return Arrays.stream(tokens).mapToInt(of -> of[position]).toArray();
  }
}
