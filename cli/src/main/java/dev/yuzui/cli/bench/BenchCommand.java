package dev.yuzui.cli.bench;

import dev.yuzui.cli.bench.Benchmark.Table;
import dev.yuzui.cli.options.BackendChoice;
import dev.yuzui.cli.options.ModelSources;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.engine.plan.MemoryPlan;
import dev.yuzui.spi.HostResources;
import dev.yuzui.weights.Checkpoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

@Command(
    name = "bench",
    description = {
      "Measures tokens per second: reading prompts (pp), making text (tg), and both (pp+tg); with"
          + " --rate how long requests wait that arrive at random; with --spec-type alone what"
          + " guessing is worth, term by term; with --grammar what masks of JSON Schemas cost.",
      "Lists such as -p 128,512 and repeated flags measure every combination."
    },
    footer = {
      "",
      "Example: yuzui bench --synthetic v3-4l --quant Q4_K_M -p 128 -n 32 -r 3 -o md",
      "Example: yuzui bench --backend cpu,cuda -p 128,512 -n 64 -npl 1,4 -o html > bench.html",
      "Example: yuzui bench --rate 1,2,4 --num-prompts 50 -p 512 --shared-prefix 256 -n 64",
      "Example: yuzui bench --spec-type draft-mtp --num-prompts 24 -n 200",
      "Example: yuzui bench --grammar schemas.jsonl.gz -m folder-of-tokenizer.json -o md"
    })
public final class BenchCommand implements Callable<Integer> {
  /** What means nothing with {@code --rate}. */
  private static final List<String> SPEED_FLAGS =
      List.of("-pg", "-d", "--assume-depth", "--tokens", "-npl", "-r");

  private final Context context;

  @Mixin private ModelSources sources;

  @Option(
      names = {"-p", "--n-prompt"},
      paramLabel = "N",
      split = ",",
      converter = Ranges.Count.class,
      defaultValue = "512",
      description = "Prompt tokens to read; 0 leaves the test out (default: ${DEFAULT-VALUE}).")
  private List<Integer> prompts;

  @Option(
      names = {"-n", "--n-gen"},
      paramLabel = "N",
      split = ",",
      converter = Ranges.Count.class,
      defaultValue = "128",
      description = "Tokens to make; 0 leaves the test out (default: ${DEFAULT-VALUE}).")
  private List<Integer> gens;

  @Option(
      names = "-pg",
      paramLabel = "PP,TG",
      converter = Pair.Converter.class,
      description = "Read PP tokens, then make TG; repeatable.")
  private List<Pair> pairs = List.of();

  @Option(
      names = {"-d", "--n-depth"},
      paramLabel = "N",
      split = ",",
      converter = Ranges.Count.class,
      defaultValue = "0",
      description = "Tokens in the cache before the clock starts (default: ${DEFAULT-VALUE}).")
  private List<Integer> depths;

  @Option(
      names = "--assume-depth",
      description =
          "Do not read the tokens of -d: their cache entries are random numbers. Text means"
              + " nothing then, times are the same.")
  private boolean assumeDepth;

  @Option(
      names = "--tokens",
      paramLabel = "FILE",
      description =
          "Token ids that the sequences read and make, one behind another (default: random ones).")
  private Optional<String> tokenFile = Optional.empty();

  @Option(
      names = "-npl",
      paramLabel = "N",
      split = ",",
      converter = Ranges.Positive.class,
      defaultValue = "1",
      description =
          "Sequences that make text together, up to -b; rates count the tokens of all"
              + " (default: ${DEFAULT-VALUE}).")
  private List<Integer> parallels;

  @Option(
      names = {"-r", "--repetitions"},
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "5",
      description = "Times each test is repeated (default: ${DEFAULT-VALUE}).")
  private int repetitions;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FORMAT",
      converter = Format.class,
      defaultValue = "md",
      description = "md, csv, json, jsonl or html, a page with plots (default: ${DEFAULT-VALUE}).")
  private BenchFormat format;

  @Option(
      names = "--no-warmup",
      description =
          "Leave out the untimed run before each test (with --url: before the first test).")
  private boolean noWarmup;

  @Mixin private EngineOptions engines;
  @Mixin private RateOptions rateOptions;
  @Mixin private GrammarOptions grammarOptions;
  @Mixin private UrlOptions urlOptions;
  @Spec private CommandSpec spec;

  public BenchCommand(Context context) {
    this.context = context;
  }

  record Pair(int prompt, int gen) {
    static final class Converter implements ITypeConverter<Pair> {
      @Override
      public Pair convert(String text) {
        int[] both = Ranges.TokenIds.parse(text).orElse(new int[0]);
        if (both.length != 2
            || Math.max(both[0], both[1]) == 0
            || Math.max(both[0], both[1]) > Ranges.MOST) {
          throw new TypeConversionException(
              "expected two counts such as 512,128, found '" + text + "'");
        }
        return new Pair(both[0], both[1]);
      }
    }
  }

  static final class Format implements ITypeConverter<BenchFormat> {
    @Override
    public BenchFormat convert(String text) {
      try {
        return BenchFormat.valueOf(text.toUpperCase(Locale.ROOT));
      } catch (IllegalArgumentException _) {
        throw new TypeConversionException(
            "expected md, csv, json, jsonl or html, found '" + text + "'");
      }
    }
  }

  @Override
  public Integer call() {
    if (grammarOptions.given()) {
      return grammarOptions.run(context, sources, format, spec.commandLine().getParseResult());
    }
    if (urlOptions.given()) {
      return urlOptions.run(
          context,
          rateOptions,
          positive(prompts),
          positive(gens),
          !noWarmup,
          format,
          spec.commandLine().getParseResult());
    }
    if (urlOptions.idle()) {
      throw new UsageException(
          "--url-model, --api-key-file, --max-concurrency, --seed: expected --url beside them,"
              + " found none");
    }
    requireSense();
    List<Benchmark> tests = rateOptions.given() ? rateTests() : tests();
    int sequences = sequences();
    List<Supplier<Checkpoint>> models = sources.all(context);
    ContenderOptions contenders = engines.contenders();
    List<Optional<BackendChoice>> choices = contenders.choices(context);
    Table table = rateOptions.given() ? rateOptions.table() : Table.SPEED;
    BenchReport report =
        format.report(context.out(), table, choices.size() > 1, typed(), contenders.limits(format));
    requirePlans(models, choices, sequences, tests);
    BenchRun run = new BenchRun(context, tests, !noWarmup, assumeDepth, report);
    try {
      for (Supplier<Checkpoint> model : models) {
        for (int count : engines.threads()) {
          for (int batch : engines.batches()) {
            run.measure(
                model,
                choices,
                (checkpoint, choice) ->
                    options(context, checkpoint, choice, count, batch, sequences, tests));
          }
        }
      }
    } catch (Out.ReaderGone | Out.Unwritable e) {
      throw e;
    } catch (RuntimeException | Error e) {
      report.endEarly();
      throw e;
    }
    report.end();
    return ExitCode.DONE;
  }

  /** What is wrong with any model or flag is said before the first is measured. */
  private void requirePlans(
      List<Supplier<Checkpoint>> models,
      List<Optional<BackendChoice>> choices,
      int sequences,
      List<Benchmark> tests) {
    int threadCount = HostResources.local().cores();
    for (Supplier<Checkpoint> model : models) {
      try (Checkpoint checkpoint = model.get()) {
        requireContext(checkpoint, tests);
        for (Optional<BackendChoice> choice : choices) {
          for (int batch : engines.batches()) {
            RuntimeOptions options =
                options(context.silent(), checkpoint, choice, threadCount, batch, sequences, tests);
            MemoryPlan.of(checkpoint, Backends.devices(options), options);
          }
        }
      }
    }
  }

  private void requireContext(Checkpoint checkpoint, List<Benchmark> tests) {
    int longest = tests.stream().mapToInt(Benchmark::length).max().orElseThrow();
    int context = checkpoint.config().contextLength();
    if (longest > context) {
      throw UsageException.ofFlag(
          rateOptions.given() ? "-p, -n" : "-d, -p, -n, -pg",
          "at most the " + context + " tokens of context that " + checkpoint.path() + " has",
          longest + " together");
    }
  }

  private String typed() {
    return "yuzui "
        + String.join(" ", spec.commandLine().getParent().getParseResult().originalArgs());
  }

  /** A flag that would do nothing is a mistake. */
  private void requireSense() {
    List<String> idle = rateOptions.given() ? SPEED_FLAGS : RateOptions.FLAGS;
    for (String flag : idle) {
      if (spec.commandLine().getParseResult().hasMatchedOption(flag)) {
        throw new UsageException(
            rateOptions.given()
                ? flag + " and --rate or --spec-type: expected one of them, found both"
                : flag + ": expected --rate or --spec-type beside it, found none");
      }
    }
  }

  private List<Benchmark> rateTests() {
    return requireAny("-p, -n", rateOptions.tests(positive(prompts), positive(gens)));
  }

  private static List<Integer> positive(List<Integer> counts) {
    return counts.stream().filter(n -> n > 0).toList();
  }

  static <T> List<T> requireAny(String flags, List<T> tests) {
    if (tests.isEmpty()) {
      throw UsageException.ofFlag(flags, "at least one test", "none");
    }
    return tests;
  }

  private List<Benchmark> tests() {
    BenchTokens tokens =
        tokenFile
            .<BenchTokens>map(file -> BenchTokens.Listed.read(context, file))
            .orElse(BenchTokens.RANDOM);
    List<Benchmark> tests = new ArrayList<>();
    for (int depth : depths) {
      positive(prompts).forEach(n -> tests.add(test(tokens, n, 0, depth, 1)));
      for (int parallel : parallels) {
        positive(gens).forEach(n -> tests.add(test(tokens, 0, n, depth, parallel)));
        pairs.forEach(pair -> tests.add(test(tokens, pair.prompt(), pair.gen(), depth, parallel)));
      }
    }
    return requireAny("-p, -n, -pg", tests);
  }

  private BenchMeasurement test(BenchTokens tokens, int prompt, int gen, int depth, int parallel) {
    return new BenchMeasurement(tokens, prompt, gen, depth, assumeDepth, parallel, repetitions);
  }

  private int sequences() {
    String flag = rateOptions.given() ? "--max-num-seqs" : "-npl";
    int most =
        rateOptions.given()
            ? rateOptions.sequences()
            : parallels.stream().max(Integer::compare).orElseThrow();
    int limit = engines.batches().stream().min(Integer::compare).orElseThrow();
    if (most > limit) {
      throw UsageException.ofFlag(
          flag, "at most -b, the " + limit + " tokens of a step", "" + most);
    }
    return most;
  }

  private RuntimeOptions options(
      Context context,
      Checkpoint checkpoint,
      Optional<BackendChoice> backend,
      int threadCount,
      int batch,
      int sequences,
      List<Benchmark> tests) {
    return engines.runtime(
        context,
        checkpoint,
        backend,
        threadCount,
        batch,
        sequences,
        tests.stream().mapToInt(Benchmark::length).max().orElseThrow(),
        rateOptions);
  }
}
