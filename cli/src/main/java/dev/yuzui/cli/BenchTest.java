package dev.yuzui.cli;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.Session;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.StoredTensor;
import dev.yuzui.weights.Parameters;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;

/**
 * What is timed: reading {@code prompt} random tokens, then making {@code gen}, with {@code depth}
 * tokens in the cache before the clock starts.
 */
record BenchTest(int prompt, int gen, int depth) {
  /** Enough steps for the JVM to compile what a longer test runs. */
  private static final int WARM_UP_TOKENS = 32;

  int length() {
    return depth + prompt + gen;
  }

  BenchRow measure(Engine engine, int repetitions, boolean warmUp) {
    String started = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    List<Long> nanos = new ArrayList<>();
    List<Double> rates = new ArrayList<>();
    try (Session session = engine.newSession()) {
      SplittableRandom random = new SplittableRandom(1);
      if (warmUp) {
        run(engine, session, random, Math.min(gen, WARM_UP_TOKENS));
      }
      for (int i = 0; i < repetitions; i++) {
        long took = run(engine, session, random, gen);
        nanos.add(took);
        rates.add((prompt + gen) * 1e9 / took);
      }
    }
    Checkpoint checkpoint = engine.checkpoint();
    return new BenchRow(
        YuzuiCommand.Version.number(),
        Machine.processor(),
        engine.backendName(),
        engine.backendDescription(),
        checkpoint.path().toString(),
        checkpoint.config().name() + " " + mainType(checkpoint),
        checkpoint.byteSize(),
        Parameters.of(checkpoint.config()).total(),
        engine.options().batchTokens(),
        engine.options().threads(),
        engine.options().cacheEncoding().label(),
        prompt,
        gen,
        depth,
        started,
        BenchRow.mean(nanos),
        BenchRow.stddev(nanos),
        BenchRow.mean(rates),
        BenchRow.stddev(rates),
        nanos,
        rates);
  }

  /** Nanoseconds of the prompt and {@code steps} made tokens. */
  private long run(Engine engine, Session session, SplittableRandom random, int steps) {
    int vocab = engine.config().vocabSize();
    session.clear();
    if (depth > 0) {
      session.prefill(tokens(random, vocab, depth));
    }
    int[] read = tokens(random, vocab, prompt);
    int token = random.nextInt(vocab);
    long start = System.nanoTime();
    if (prompt > 0) {
      session.prefill(read);
    }
    for (int i = 0; i < steps; i++) {
      token = session.decodeStep(token);
    }
    return System.nanoTime() - start;
  }

  private static int[] tokens(SplittableRandom random, int vocab, int n) {
    return random.ints(n, 0, vocab).toArray();
  }

  /** The type that most of the bytes are in. */
  private static String mainType(Checkpoint checkpoint) {
    Map<String, Long> bytes =
        checkpoint.stored().stream()
            .collect(
                Collectors.groupingBy(
                    StoredTensor::type, Collectors.summingLong(StoredTensor::bytes)));
    return bytes.entrySet().stream()
        .max(Comparator.comparingLong(Map.Entry::getValue))
        .map(Map.Entry::getKey)
        .orElse("");
  }
}
