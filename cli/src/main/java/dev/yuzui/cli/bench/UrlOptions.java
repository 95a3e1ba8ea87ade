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
import java.util.Optional;
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
          "--rate",
          "--num-prompts",
          "--shared-prefix",
          "--n-prompt",
          "--n-gen",
          "--no-warmup",
          "--output");

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

  @Option(names = "--api-key-file", paramLabel = "FILE", description = "The key that it asks for.")
  private Optional<Path> key = Optional.empty();

  @Option(
      names = "--max-concurrency",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Requests under way at most (default: as many as arrive; without --rate 1).")
  private Optional<Integer> concurrency = Optional.empty();

  boolean given() {
    return url.isPresent();
  }

  /** Whether a flag of it is there without a server. */
  boolean idle() {
    return url.isEmpty() && (model.isPresent() || key.isPresent() || concurrency.isPresent());
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
      throw UsageException.ofFlag("-o", "md or jsonl beside --url", "another");
    }
    URI at = url.orElseThrow();
    if (at.getHost() == null
        || !List.of("http", "https").contains(String.valueOf(at.getScheme()))) {
      throw UsageException.ofFlag("--url", "an address as http://127.0.0.1:8080", at.toString());
    }
    List<UrlMeasurement.Test> tests = rate.urlTests(prompts, gens, concurrency);
    boolean table = format == BenchFormat.MD;
    UrlClient client =
        UrlClient.open(at, model, key.map(f -> Input.read("--api-key-file", f).strip()));
    if (warmUp) {
      tests.stream().findFirst().ifPresent(test -> new UrlMeasurement(client, test).warmUp());
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
                  + " to 999; greedy, without an end.");
    }
    return ExitCode.DONE;
  }
}
