package dev.yuzui.cli.bench;

import dev.yuzui.cli.batch.BatchCommand;
import dev.yuzui.cli.bench.Benchmark.Table;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.options.SpeculationOptions;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What requests arrive, how often, and what the engine has to answer them with. */
final class RateOptions {
  /** What means nothing without {@code --rate}. */
  static final List<String> FLAGS =
      List.of(
          "--num-prompts",
          "--shared-prefix",
          "--max-num-seqs",
          "--cache-pages",
          "--spec-type",
          "-md",
          "-devd",
          "--spec-draft-n-max",
          "--spec-draft-p-min",
          "--spec-draft-vocab-size");

  @Option(
      names = "--rate",
      paramLabel = "R",
      split = ",",
      converter = Ranges.Decimal.class,
      description =
          "Instead of speed, measure how long requests wait for their first token and the next"
              + " ones: of -p and -n tokens, arriving at random, R a second on average.")
  private List<Double> rates = List.of();

  @Option(
      names = "--num-prompts",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "50",
      description =
          "Requests of a test with --rate, texts of one with --spec-type alone (default:"
              + " ${DEFAULT-VALUE}).")
  private int requests;

  @Option(
      names = "--shared-prefix",
      paramLabel = "N",
      converter = Ranges.Count.class,
      defaultValue = "0",
      description =
          "Tokens that all prompts of a test with --rate begin with; whole pages of them are found"
              + " in the cache (default: ${DEFAULT-VALUE}).")
  private int sharedPrefix;

  @Option(
      names = "--max-num-seqs",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "" + BatchCommand.SEQUENCES,
      description = "Requests of --rate that run together (default: ${DEFAULT-VALUE}).")
  private int sequences;

  @Option(
      names = "--cache-pages",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description =
          "Pages of the KV cache that requests of --rate share (default: enough for those that"
              + " run).")
  private Optional<Integer> cachePages = Optional.empty();

  @Mixin private SpeculationOptions speculation;

  /** Whether tests are of requests, not of speed. */
  boolean given() {
    return !rates.isEmpty() || guesses();
  }

  private boolean guesses() {
    return speculation.speculation().drafts() != Speculation.Drafts.NONE;
  }

  Table table() {
    return rates.isEmpty() ? Table.SPECULATION : Table.ARRIVALS;
  }

  int sequences() {
    return sequences;
  }

  /** Every rate with every kind of request. */
  List<Benchmark> tests(List<Integer> prompts, List<Integer> gens) {
    List<Benchmark> tests = new ArrayList<>();
    if (rates.isEmpty()) {
      gens.forEach(
          n -> tests.add(new SpeculationMeasurement(speculation.speculation(), requests, n)));
    }
    for (double rate : rates) {
      requirePositive(rate, true);
      for (int prompt : prompts) {
        requirePrefix(prompt);
        for (int gen : gens) {
          // each test has its own tokens, or it would find those of the one before in the cache
          tests.add(new RateMeasurement(rate, requests, prompt, sharedPrefix, gen, tests.size()));
        }
      }
    }
    return tests;
  }

  /**
   * The same of a server.
   *
   * @param concurrency requests under way at most; without a rate 1, else as many as arrive
   * @param seed of the first test's tokens
   */
  List<UrlMeasurement.Test> urlTests(
      List<Integer> prompts, List<Integer> gens, Optional<Integer> concurrency, long seed) {
    List<UrlMeasurement.Test> tests = new ArrayList<>();
    for (double rate : rates.isEmpty() ? List.of(0.0) : rates) {
      requirePositive(rate, !rates.isEmpty());
      Optional<Integer> most = rates.isEmpty() ? concurrency.or(() -> Optional.of(1)) : concurrency;
      for (int prompt : prompts) {
        requirePrefix(prompt);
        for (int gen : gens) {
          tests.add(
              new UrlMeasurement.Test(
                  rate, most, requests, prompt, sharedPrefix, gen, seed + tests.size()));
        }
      }
    }
    return tests;
  }

  private static void requirePositive(double rate, boolean given) {
    if (given && rate <= 0) {
      throw UsageException.ofFlag("--rate", "requests a second, above 0", "" + rate);
    }
  }

  private void requirePrefix(int prompt) {
    if (sharedPrefix > prompt) {
      throw UsageException.ofFlag(
          "--shared-prefix", "at most the " + prompt + " of -p", "" + sharedPrefix);
    }
  }

  RuntimeOptions applied(RuntimeOptions options) {
    RuntimeOptions with = options.withSpeculation(speculation.speculation());
    return cachePages.isPresent() ? with.withCachePages(cachePages.get()) : with;
  }
}
