package dev.yuzui.cli.bench;

import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.sampling.SamplingParams;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.ToLongFunction;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Requests of random tokens arrive as a Poisson process, whether or not those before them are
 * answered, and the engine answers them as it answers anybody's.
 *
 * @param rate arrivals a second on average
 * @param sharedPrefix tokens of {@code prompt} that all of them begin with
 * @param gen tokens made for each, whatever they are
 * @param seed of the tokens; arrivals of all tests are the same but for their rate
 */
record RateMeasurement(double rate, int requests, int prompt, int sharedPrefix, int gen, long seed)
    implements Benchmark {
  private static final long ARRIVALS_SEED = 1;

  @Override
  public int length() {
    return prompt + gen;
  }

  @Override
  public int repetitions() {
    return 1;
  }

  @Override
  public Measurement start(Engine engine, boolean warmUp) {
    SplittableRandom random = new SplittableRandom(seed);
    if (warmUp) {
      Benchmark.warmUp(() -> warmUp(engine, random));
    }
    List<GenerateRequest> asked = requests(engine, random);
    return new Arrivals(engine, asked);
  }

  /** The requests as they are answered. */
  private final class Arrivals implements Measurement {
    private final Engine engine;
    private final List<GenerateRequest> asked;
    private final List<Visit> visits = new ArrayList<>();
    private final EngineMetrics before;
    private String started = "";
    private long start;

    Arrivals(Engine engine, List<GenerateRequest> asked) {
      this.engine = engine;
      this.asked = asked;
      this.before = engine.metrics();
    }

    @Override
    public void repeat() {
      long[] arrivals = arrivals(rate, requests, new SplittableRandom(ARRIVALS_SEED));
      started = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
      start = System.nanoTime();
      List<Generation> generations = new ArrayList<>();
      for (int i = 0; i < requests; i++) {
        Visit visit = new Visit(start + arrivals[i], gen);
        waitUntil(visit.arrived);
        visits.add(visit);
        generations.add(engine.generate(asked.get(i), visit));
      }
      generations.forEach(Generation::await);
    }

    @Override
    public RateRow row(List<Row> earlier) {
      return RateMeasurement.this.row(engine, started, start, visits, before, engine.metrics());
    }

    @Override
    public void close() {
      // holds nothing
    }
  }

  /**
   * When requests arrive, in nanoseconds: the first at 0, then with gaps that are independent and
   * exponential with mean 1/rate.
   */
  static long[] arrivals(double rate, int requests, RandomGenerator random) {
    long[] at = new long[requests];
    double seconds = 0;
    for (int i = 1; i < requests; i++) {
      seconds += random.nextExponential() / rate;
      at[i] = Math.round(seconds * 1e9);
    }
    return at;
  }

  /** As many sequences as will run, one of them with a whole prompt. */
  private void warmUp(Engine engine, SplittableRandom random) {
    List<Generation> generations = new ArrayList<>();
    for (int i = 0; i < Math.min(requests, engine.options().maxSequences()); i++) {
      int[] read = tokens(engine, random, i == 0 ? prompt : Math.min(prompt, WARM_UP_TOKENS));
      generations.add(engine.generate(request(read, Math.min(gen, WARM_UP_TOKENS))));
    }
    generations.forEach(Generation::await);
  }

  private List<GenerateRequest> requests(Engine engine, SplittableRandom random) {
    int[] prefix = tokens(engine, random, sharedPrefix);
    List<GenerateRequest> out = new ArrayList<>();
    for (int i = 0; i < requests; i++) {
      int[] own = tokens(engine, random, prompt - sharedPrefix);
      out.add(request(IntStream.concat(Arrays.stream(prefix), Arrays.stream(own)).toArray(), gen));
    }
    return out;
  }

  private static int[] tokens(Engine engine, SplittableRandom random, int n) {
    return random.ints(n, 0, engine.config().vocabSize()).toArray();
  }

  private static GenerateRequest request(int[] prompt, int tokens) {
    return GenerateRequest.of(prompt)
        .withSampling(SamplingParams.GREEDY)
        .withMaxTokens(tokens)
        .withIgnoreEos(true);
  }

  static void waitUntil(long nanoTime) {
    long left = nanoTime - System.nanoTime();
    if (left <= 0) {
      return;
    }
    try {
      Thread.sleep(Duration.ofNanos(left));
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      throw new FailedException("--rate: interrupted while waiting for a request to arrive");
    }
  }

  /** When the tokens of a request came. Written by the engine's thread, read once it is done. */
  private static final class Visit implements GenerationListener {
    private final long arrived;
    private final long[] told;
    private int count;

    /**
     * @param arrived when it was to be asked: if that was late, the wait counts
     */
    Visit(long arrived, int tokens) {
      this.arrived = arrived;
      told = new long[tokens];
    }

    @Override
    public void token(int id, String text) {
      told[count++] = System.nanoTime();
    }

    long first() {
      return told[0] - arrived;
    }

    long whole() {
      return last() - arrived;
    }

    long last() {
      return told[count - 1];
    }

    LongStream gaps() {
      return IntStream.range(1, count).mapToLong(i -> told[i] - told[i - 1]);
    }
  }

  private RateRow row(
      Engine engine,
      String started,
      long start,
      List<Visit> visits,
      EngineMetrics before,
      EngineMetrics after) {
    double seconds = (visits.stream().mapToLong(Visit::last).max().orElseThrow() - start) * 1e-9;
    long promptTokens = (long) requests * prompt;
    long made = visits.stream().mapToLong(visit -> visit.count).sum();
    long steps = after.steps() - before.steps();
    long queries = after.prefixQueries() - before.prefixQueries();
    long hits = after.prefixHits() - before.prefixHits();
    long draftTokens = after.draftTokens() - before.draftTokens();
    long accepted = after.acceptedTokens() - before.acceptedTokens();
    return new RateRow(
        BenchSetup.of(engine),
        engine.options().maxSequences(),
        rate,
        requests,
        prompt,
        sharedPrefix,
        gen,
        started,
        seconds,
        promptTokens,
        made,
        requests / seconds,
        promptTokens / seconds,
        made / seconds,
        latencies(visits, Visit::first),
        Latencies.ofNanos(visits.stream().flatMapToLong(Visit::gaps).toArray()),
        latencies(visits, Visit::whole),
        queries,
        hits,
        share(hits, queries),
        after.preemptions() - before.preemptions(),
        after.drafts() - before.drafts(),
        draftTokens,
        accepted,
        share(accepted, draftTokens),
        steps,
        steps == 0 ? 0 : (after.hostNanos() - before.hostNanos()) * 1e-3 / steps,
        0);
  }

  private static Latencies latencies(List<Visit> visits, ToLongFunction<Visit> nanos) {
    return Latencies.ofNanos(visits.stream().mapToLong(nanos).toArray());
  }

  private static double share(long part, long whole) {
    return whole == 0 ? 0 : (double) part / whole;
  }
}
