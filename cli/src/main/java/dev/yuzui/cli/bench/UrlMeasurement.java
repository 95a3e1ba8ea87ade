package dev.yuzui.cli.bench;

import dev.yuzui.cli.bench.UrlClient.Stream;
import dev.yuzui.cli.shell.FailedException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/** Requests that arrive at a server, and when their tokens came back. */
record UrlMeasurement(UrlClient client, Test test) {
  private static final long ARRIVALS_SEED = 1;

  /** Seconds of it: a server on a JVM has more to compile than an engine alone. */
  private static final int WARM_UPS = 5;

  /**
   * @param rate arrivals a second on average; 0: as soon as concurrency lets them
   * @param concurrency requests under way at most
   * @param seed of the tokens
   */
  record Test(
      double rate,
      int concurrency,
      int requests,
      int prompt,
      int sharedPrefix,
      int gen,
      long seed) {}

  /** A request's times, in nanoseconds. */
  private record Visit(long arrived, Stream stream) {
    long first() {
      return stream.told()[0] - arrived;
    }

    long last() {
      return stream.told()[stream.told().length - 1];
    }

    LongStream gaps() {
      long[] told = stream.told();
      return IntStream.range(1, told.length).mapToLong(i -> told[i] - told[i - 1]);
    }
  }

  /** What was measured. */
  record Row(
      String url,
      String model,
      double requestRate,
      int maxConcurrency,
      int numPrompts,
      int nPrompt,
      int nSharedPrefix,
      int nGen,
      double duration,
      double requestThroughput,
      double outputThroughput,
      Latencies ttftMs,
      Latencies itlMs,
      Latencies e2elMs) {
    static final String HEAD =
        """
        | server's model | test | rate/s | at once | requests/s | output t/s | first token ms: mean, p50, p90, p99 | between tokens ms: mean, p50, p90, p99 | whole answer ms: mean, p50, p90, p99 |
        | :---- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\
        """;

    String markdown() {
      String shared = nSharedPrefix > 0 ? "(" + nSharedPrefix + " shared)" : "";
      return String.format(
          Locale.ROOT,
          "| %s | %d x pp%d%s+tg%d | %s | %s | %.2f | %.2f | %s | %s | %s |",
          model,
          numPrompts,
          nPrompt,
          shared,
          nGen,
          requestRate > 0 ? String.format(Locale.ROOT, "%.2f", requestRate) : "-",
          maxConcurrency == Integer.MAX_VALUE ? "-" : "" + maxConcurrency,
          requestThroughput,
          outputThroughput,
          ttftMs.markdown(),
          itlMs.markdown(),
          e2elMs.markdown());
    }
  }

  /** As many as run together, of few tokens. */
  void warmUp() {
    Test few =
        new Test(
            0,
            Math.min(test.concurrency(), 16),
            Math.min(test.requests(), 16),
            Math.min(test.prompt(), 32),
            0,
            Math.min(test.gen(), 16),
            -1);
    for (int i = 0; i < WARM_UPS; i++) {
      Benchmark.warmUp(() -> new UrlMeasurement(client, few).run());
    }
  }

  Row run() {
    SplittableRandom random = new SplittableRandom(test.seed());
    int[] prefix = tokens(random, test.sharedPrefix());
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < test.requests(); i++) {
      int[] own = tokens(random, test.prompt() - test.sharedPrefix());
      prompts.add(IntStream.concat(Arrays.stream(prefix), Arrays.stream(own)).toArray());
    }
    long[] arrivals =
        test.rate() > 0
            ? RateMeasurement.arrivals(
                test.rate(), test.requests(), new SplittableRandom(ARRIVALS_SEED))
            : new long[test.requests()];
    Semaphore room = new Semaphore(test.concurrency());
    long start = System.nanoTime();
    List<Visit> visits = new ArrayList<>();
    try (ExecutorService threads = Executors.newCachedThreadPool()) {
      List<Future<Visit>> asked = new ArrayList<>();
      for (int i = 0; i < test.requests(); i++) {
        int[] prompt = prompts.get(i);
        RateMeasurement.waitUntil(start + arrivals[i]);
        room.acquireUninterruptibly();
        // without a rate a request arrives when it may be asked
        long arrived = test.rate() > 0 ? start + arrivals[i] : System.nanoTime();
        asked.add(
            threads.submit(
                () -> {
                  try {
                    return new Visit(arrived, client.complete(prompt, test.gen()));
                  } finally {
                    room.release();
                  }
                }));
      }
      for (Future<Visit> each : asked) {
        visits.add(each.get());
      }
    } catch (ExecutionException e) {
      throw e.getCause() instanceof FailedException known
          ? known
          : new FailedException("--url: " + e.getCause());
    } catch (InterruptedException e) {
      throw new FailedException("--url: interrupted");
    }
    return row(start, visits);
  }

  private static int[] tokens(SplittableRandom random, int n) {
    return random.ints(n, 100, 1000).toArray();
  }

  private Row row(long start, List<Visit> visits) {
    double seconds = (visits.stream().mapToLong(Visit::last).max().orElseThrow() - start) * 1e-9;
    long made = visits.stream().mapToLong(visit -> visit.stream().tokens()).sum();
    return new Row(
        client.url().toString(),
        client.model(),
        test.rate(),
        test.concurrency(),
        test.requests(),
        test.prompt(),
        test.sharedPrefix(),
        test.gen(),
        seconds,
        test.requests() / seconds,
        made / seconds,
        Latencies.ofNanos(visits.stream().mapToLong(Visit::first).toArray()),
        Latencies.ofNanos(visits.stream().flatMapToLong(Visit::gaps).toArray()),
        Latencies.ofNanos(
            visits.stream().mapToLong(visit -> visit.last() - visit.arrived()).toArray()));
  }
}
