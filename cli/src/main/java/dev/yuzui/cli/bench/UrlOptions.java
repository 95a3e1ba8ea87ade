package dev.yuzui.cli.bench;

import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.cli.shell.Version;
import dev.yuzui.io.Json;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;

/** Instead of an engine of this process, a server of anybody's. */
final class UrlOptions {
  /** What means something with {@code --url}. */
  private static final List<String> FLAGS =
      List.of(
          "--url",
          "--url-model",
          "--api-key-file",
          "--max-concurrency",
          "--seed",
          "--rate",
          "--num-prompts",
          "--shared-prefix",
          "--n-prompt",
          "--n-gen",
          "--no-warmup",
          "--output");

  /** Short enough to be typed again. */
  private static final long MOST_SEED = 1L << 32;

  @Option(
      names = "--url",
      paramLabel = "URL",
      description =
          "Measure a server with OpenAI's interface, as http://127.0.0.1:8080, by streams of its"
              + " /v1/completions: --num-prompts prompts of -p random tokens, -n made of each,"
              + " arriving by --rate, or as the ones before are answered. -o md or jsonl.")
  private Optional<URI> url = Optional.empty();

  @Option(
      names = "--url-model",
      paramLabel = "NAME",
      description = "What to call its model (default: the first that it lists).")
  private Optional<String> model = Optional.empty();

  @Option(
      names = "--api-key-file",
      paramLabel = "FILE",
      description = "The key that it asks for: the first line.")
  private Optional<Path> key = Optional.empty();

  @Option(
      names = "--max-concurrency",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Requests under way at most (default: as many as arrive; without --rate 1).")
  private Optional<Integer> concurrency = Optional.empty();

  @Option(
      names = "--seed",
      paramLabel = "N",
      converter = Ranges.Seed.class,
      description =
          "Of the prompts' tokens (default: another every time, for a server that keeps what it"
              + " has read would know the prompts of the run before).")
  private Optional<Long> seed = Optional.empty();

  boolean given() {
    return url.isPresent();
  }

  /** Whether a flag of it is there without a server. */
  boolean idle() {
    return url.isEmpty()
        && (model.isPresent() || key.isPresent() || concurrency.isPresent() || seed.isPresent());
  }

  int run(
      Context context,
      RateOptions rate,
      List<Integer> prompts,
      List<Integer> gens,
      boolean warmUp,
      BenchFormat format,
      ParseResult typed) {
    for (var option : typed.matchedOptions()) {
      if (!FLAGS.contains(option.longestName()) && !FLAGS.contains(option.shortestName())) {
        throw new UsageException(
            option.longestName() + " and --url: expected one of them, found both");
      }
    }
    if (format != BenchFormat.MD && format != BenchFormat.JSONL) {
      throw UsageException.ofFlag(
          "-o", "md or jsonl beside --url", format.name().toLowerCase(Locale.ROOT));
    }
    URI at = url.orElseThrow();
    if (at.getHost() == null
        || !List.of("http", "https").contains(String.valueOf(at.getScheme()))) {
      throw UsageException.ofFlag("--url", "an address as http://127.0.0.1:8080", at.toString());
    }
    long tokens =
        seed.filter(given -> given >= 0)
            .orElseGet(() -> new SplittableRandom().nextLong(MOST_SEED));
    List<UrlMeasurement.Test> tests =
        BenchCommand.requireAny("-p, -n", rate.urlTests(prompts, gens, concurrency, tokens));
    boolean table = format == BenchFormat.MD;
    UrlClient client =
        UrlClient.open(at, model, key.map(UrlOptions::firstKey), UrlClient.Patience.USUAL);
    if (warmUp) {
      new UrlMeasurement(client, tests.getFirst()).warmUp();
    }
    if (table) {
      context.out().println(UrlMeasurement.Row.HEAD);
    }
    for (UrlMeasurement.Test test : tests) {
      UrlMeasurement.Row row = new UrlMeasurement(client, test).run();
      context.out().printNow((table ? row.markdown() : Json.compact(row)) + "\n");
    }
    if (table) {
      context.out().println("");
      context.out().println("client: yuzui " + Version.number() + ", beside the server's answers");
      context
          .out()
          .println(
              "The clock of a request starts when it arrives. Prompts are random token ids from 100"
                  + " to 999 (--seed "
                  + tokens
                  + "); greedy, without an end.");
    }
    return ExitCode.DONE;
  }

  /** A server's file has a key to a line; any of them will do. What is in it is never shown. */
  private static String firstKey(Path file) {
    String first =
        Input.read("--api-key-file", file)
            .lines()
            .map(String::strip)
            .filter(line -> !line.isEmpty())
            .findFirst()
            .orElseThrow(
                () ->
                    UsageException.ofFlag(
                        "--api-key-file", "a key in a line", file + ", which has none"));
    if (!first.chars().allMatch(c -> c > ' ' && c <= '~')) {
      throw UsageException.ofFlag(
          "--api-key-file",
          "a key of ASCII letters, digits and signs",
          file + ", whose first key has other characters or spaces");
    }
    return first;
  }
}
