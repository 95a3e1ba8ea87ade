package dev.yuzui.cli.bench;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import dev.yuzui.cli.bench.UrlClient.Stream;
import dev.yuzui.cli.shell.FailedException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/** Requests that arrive at a server, and when their tokens came back. */
record UrlMeasurement(UrlClient client, Test test) {
  static final long ARRIVALS_SEED = 1;

  /** Seconds of it: a server on a JVM has more to compile than an engine alone. */
  private static final int WARM_UPS = 5;

  private static final int MOST_WARM_UPS = 16;

  /**
   * @param rate arrivals a second on average; 0: as soon as concurrency lets them
   * @param concurrency requests under way at most; empty: as many as arrive
   * @param seed of the tokens: a server keeps what it has read, and would know those of a run
   *     before
   */
  record Test(
      double rate,
      Optional<Integer> concurrency,
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

  /** What was measured, in the field names of {@link RateRow}. */
  record Row(
      String url,
      String model,
      double requestRate,
      Optional<Integer> maxConcurrency,
      int numPrompts,
      int nPrompt,
      int nSharedPrefix,
      int nGen,
      long seed,
      double duration,
      double requestThroughput,
      double outputThroughput,
      @JsonUnwrapped(suffix = "_ttft_ms") Latencies ttft,
      @JsonUnwrapped(suffix = "_itl_ms") Latencies itl,
      @JsonUnwrapped(suffix = "_e2el_ms") Latencies e2el) {
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
          maxConcurrency.map(String::valueOf).orElse("-"),
          requestThroughput,
          outputThroughput,
          ttft.markdown(),
          itl.markdown(),
          e2el.markdown());
    }
  }

  /** As many as run together, of few tokens, that are others every time. */
  void warmUp() {
    Test few =
        new Test(
            0,
            Optional.of(Math.min(test.concurrency().orElse(MOST_WARM_UPS), MOST_WARM_UPS)),
            Math.min(test.requests(), MOST_WARM_UPS),
            Math.min(test.prompt(), 32),
            0,
            Math.min(test.gen(), 16),
            test.seed());
    UrlMeasurement before = new UrlMeasurement(client, few);
    SplittableRandom random = new SplittableRandom(~test.seed());
    for (int i = 0; i < WARM_UPS; i++) {
      Benchmark.warmUp(() -> before.run(random));
    }
  }

  Row run() {
    return run(new SplittableRandom(test.seed()));
  }

  /**
   * @throws FailedException as soon as one request fails, whatever the others do
   */
  private Row run(SplittableRandom random) {
    int[] prefix = tokens(random, test.sharedPrefix());
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < test.requests(); i++) {
      int[] own = tokens(random, test.prompt() - test.sharedPrefix());
      prompts.add(IntStream.concat(Arrays.stream(prefix), Arrays.stream(own)).toArray());
    }
    // a thread that waits for its server ends with the command
    ExecutorService threads = Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory());
    try {
      long start = System.nanoTime();
      return row(start, visits(start, prompts, threads));
    } catch (ExecutionException e) {
      throw e.getCause() instanceof FailedException known
          ? known
          : new FailedException("--url: " + e.getCause());
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      throw new FailedException("--url: interrupted");
    } finally {
      threads.shutdownNow();
    }
  }

  private List<Visit> visits(long start, List<int[]> prompts, ExecutorService threads)
      throws InterruptedException, ExecutionException {
    long[] arrivals =
        test.rate() > 0
            ? RateMeasurement.arrivals(
                test.rate(), test.requests(), new SplittableRandom(ARRIVALS_SEED))
            : new long[test.requests()];
    Semaphore room = new Semaphore(test.concurrency().orElse(Integer.MAX_VALUE));
    CompletableFuture<Void> failed = new CompletableFuture<>();
    List<CompletableFuture<Visit>> asked = new ArrayList<>();
    for (int i = 0; i < test.requests(); i++) {
      int[] prompt = prompts.get(i);
      waitUntil(start + arrivals[i], failed);
      room.acquire();
      waitUntil(System.nanoTime(), failed); // what made room may have failed
      // without a rate a request arrives when it may be asked
      long arrived = test.rate() > 0 ? start + arrivals[i] : System.nanoTime();
      CompletableFuture<Visit> visit =
          CompletableFuture.supplyAsync(
              () -> new Visit(arrived, client.complete(prompt, test.gen())), threads);
      asked.add(
          visit.whenComplete(
              (_, e) -> {
                if (e != null) {
                  failed.completeExceptionally(e);
                }
                room.release();
              }));
    }
    CompletableFuture<Void> all = CompletableFuture.allOf(asked.toArray(CompletableFuture[]::new));
    CompletableFuture.anyOf(all, failed).get();
    return asked.stream().map(CompletableFuture::join).toList();
  }

  /**
   * @throws ExecutionException if something failed by then
   */
  private static void waitUntil(long nanoTime, CompletableFuture<Void> failed)
      throws InterruptedException, ExecutionException {
    long left = Math.max(0, nanoTime - System.nanoTime());
    try {
      failed.get(left, TimeUnit.NANOSECONDS);
    } catch (TimeoutException _) {
      // nothing did
    }
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
        test.seed(),
        seconds,
        test.requests() / seconds,
        made / seconds,
        Latencies.ofNanos(visits.stream().mapToLong(Visit::first).toArray()),
        Latencies.ofNanos(visits.stream().flatMapToLong(Visit::gaps).toArray()),
        Latencies.ofNanos(
            visits.stream().mapToLong(visit -> visit.last() - visit.arrived()).toArray()));
  }
}
