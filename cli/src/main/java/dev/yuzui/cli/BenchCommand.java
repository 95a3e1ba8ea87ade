package dev.yuzui.cli;

import dev.yuzui.cli.Benchmark.Row;
import dev.yuzui.cli.Benchmark.Table;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.RuntimeOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.SyntheticCheckpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
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
          + " --rate how long requests wait that arrive at random.",
      "Lists such as -p 128,512 and repeated flags measure every combination."
    },
    footer = {
      "",
      "Example: yuzui bench --synthetic v3-4l --quant Q4_K_M -p 128 -n 32 -r 3 -o md",
      "Example: yuzui bench --rate 1,2,4 --num-prompts 50 -p 512 --shared-prefix 256 -n 64"
    })
final class BenchCommand implements Callable<Integer> {
  private static final long SEED = 1;
  private static final int MAX_PARALLEL = 64;

  /** What means nothing with {@code --rate}. */
  private static final List<String> SPEED_FLAGS =
      List.of("-pg", "-d", "--assume-depth", "-npl", "-r");

  private final Context context;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "PATH",
      split = ",",
      description = "GGUF files or Hugging Face folders (default: the embedded demo model).")
  private List<Path> models = List.of();

  @Option(
      names = "--synthetic",
      paramLabel = "PRESET",
      split = ",",
      description = "Random weights in a published model's shapes, instead of a file.")
  private List<String> synthetic = List.of();

  @Option(
      names = "--quant",
      paramLabel = "TYPE",
      defaultValue = "Q4_K_M",
      description = "Type of synthetic weights (default: ${DEFAULT-VALUE}).")
  private String quant;

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
      names = "-npl",
      paramLabel = "N",
      split = ",",
      converter = Ranges.Positive.class,
      defaultValue = "1",
      description =
          "Sequences that make text together, up to 64; rates count the tokens of all"
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
      names = {"-t", "--threads"},
      paramLabel = "N",
      split = ",",
      converter = Ranges.Positive.class,
      description = "Threads (default: physical cores).")
  private List<Integer> threads = List.of();

  @Option(
      names = {"-b", "--batch-size"},
      paramLabel = "N",
      split = ",",
      converter = Ranges.Positive.class,
      defaultValue = "512",
      description = "Prompt tokens read in one step (default: ${DEFAULT-VALUE}).")
  private List<Integer> batches;

  @Option(
      names = "--fit",
      description =
          "Leave out the tests whose context does not fit into the device's free memory, and say"
              + " so.")
  private boolean fit;

  @Option(
      names = "--kv-cache-dtype",
      paramLabel = "TYPE",
      converter = Ranges.CacheEncoding.class,
      defaultValue = "f16",
      description = "f32, f16, bf16, fp8 or q8_0 (default: ${DEFAULT-VALUE}).")
  private Encoding cacheEncoding;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      split = ",",
      description = "Backends, see 'yuzui devices' (default: the best usable one).")
  private List<String> backends = List.of();

  @Option(
      names = "--device",
      paramLabel = "NAME",
      description = "Device of the backend (default: its first).")
  private Optional<String> device = Optional.empty();

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FORMAT",
      converter = Format.class,
      defaultValue = "md",
      description = "md, csv, json or jsonl (default: ${DEFAULT-VALUE}).")
  private BenchFormat format;

  @Option(names = "--no-repack", description = "Use weights where they are mapped.")
  private boolean noRepack;

  @Option(names = "--no-warmup", description = "Leave out the untimed run before each test.")
  private boolean noWarmup;

  @Option(
      names = {"-v", "--verbose"},
      description = "Say on stderr what was chosen and why.")
  private boolean verbose;

  @Mixin private RateOptions rateOptions;
  @Spec private CommandSpec spec;

  BenchCommand(Context context) {
    this.context = context;
  }

  record Pair(int prompt, int gen) {
    static final class Converter implements ITypeConverter<Pair> {
      @Override
      public Pair convert(String text) {
        int[] both = Ranges.TokenIds.parse(text).orElse(new int[0]);
        if (both.length != 2 || both[0] + both[1] == 0) {
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
        throw new TypeConversionException("expected md, csv, json or jsonl, found '" + text + "'");
      }
    }
  }

  /** A file, or random weights. */
  private sealed interface Source {
    Checkpoint open();

    record Stored(Path path) implements Source {
      @Override
      public Checkpoint open() {
        return Checkpoints.open(path);
      }
    }

    record Synthetic(String preset, String quant) implements Source {
      @Override
      public Checkpoint open() {
        return SyntheticCheckpoint.repeating(preset, quant, SEED);
      }
    }
  }

  @Override
  public Integer call() {
    requireSense();
    List<Benchmark> tests = rateOptions.given() ? rateTests() : tests();
    int sequences = sequences();
    List<Source> sources = sources();
    Table table = rateOptions.given() ? Table.ARRIVALS : Table.SPEED;
    format.begin(context.out(), table);
    boolean first = true;
    for (Source source : sources) {
      for (Optional<String> backend : optional(backends)) {
        for (int count : threads.isEmpty() ? List.of(Machine.physicalCores()) : threads) {
          for (int batch : batches) {
            Checkpoint checkpoint = source.open();
            RuntimeOptions options = options(checkpoint, backend, count, batch, sequences, tests);
            try (Engine engine = Loading.open(context, checkpoint, options)) {
              if (assumeDepth) {
                engine.fillCache();
              }
              List<Row> rows = new ArrayList<>();
              for (Benchmark test : tests) {
                if (test.length() > engine.contextLength()) {
                  context
                      .err()
                      .println("--fit: leaving out a test of " + test.length() + " tokens");
                  continue;
                }
                Row row = test.measure(engine, !noWarmup, rows);
                rows.add(row);
                format.row(context.out(), row, first);
                first = false;
              }
            }
          }
        }
      }
    }
    format.end(context.out(), table);
    return ExitCode.DONE;
  }

  private List<Source> sources() {
    if (!models.isEmpty() && !synthetic.isEmpty()) {
      throw new UsageException("-m and --synthetic: expected one of them, found both");
    }
    requireName("--synthetic", synthetic, SyntheticCheckpoint.presets());
    requireName("--quant", List.of(quant), SyntheticCheckpoint.quants());
    List<Source> sources = new ArrayList<>();
    synthetic.forEach(preset -> sources.add(new Source.Synthetic(preset, quant)));
    models.forEach(path -> sources.add(new Source.Stored(path)));
    if (sources.isEmpty()) {
      sources.add(new Source.Stored(EmbeddedModel.path(context.surroundings())));
    }
    return sources;
  }

  private static void requireName(String flag, List<String> found, List<String> known) {
    for (String name : found) {
      if (known.stream().noneMatch(name::equalsIgnoreCase)) {
        throw UsageException.ofFlag(flag, "one of " + String.join(", ", known), "'" + name + "'");
      }
    }
  }

  /** A flag that would do nothing is a mistake. */
  private void requireSense() {
    List<String> idle = rateOptions.given() ? SPEED_FLAGS : RateOptions.FLAGS;
    for (String flag : idle) {
      if (spec.commandLine().getParseResult().hasMatchedOption(flag)) {
        throw new UsageException(
            rateOptions.given()
                ? flag + " and --rate: expected one of them, found both"
                : flag + ": expected --rate beside it, found none");
      }
    }
  }

  private List<Benchmark> rateTests() {
    return requireAny("-p, -n", rateOptions.tests(positive(prompts), positive(gens)));
  }

  private static List<Integer> positive(List<Integer> counts) {
    return counts.stream().filter(n -> n > 0).toList();
  }

  private static List<Benchmark> requireAny(String flags, List<Benchmark> tests) {
    if (tests.isEmpty()) {
      throw UsageException.ofFlag(flags, "at least one test", "none");
    }
    return tests;
  }

  private List<Benchmark> tests() {
    List<Benchmark> tests = new ArrayList<>();
    for (int depth : depths) {
      positive(prompts).forEach(n -> tests.add(test(n, 0, depth, 1)));
      for (int parallel : parallels) {
        positive(gens).forEach(n -> tests.add(test(0, n, depth, parallel)));
        pairs.forEach(pair -> tests.add(test(pair.prompt(), pair.gen(), depth, parallel)));
      }
    }
    return requireAny("-p, -n, -pg", tests);
  }

  private BenchTest test(int prompt, int gen, int depth, int parallel) {
    return new BenchTest(prompt, gen, depth, assumeDepth, parallel, repetitions);
  }

  private int sequences() {
    String flag = rateOptions.given() ? "--max-num-seqs" : "-npl";
    int most =
        rateOptions.given()
            ? rateOptions.sequences()
            : parallels.stream().max(Integer::compare).orElseThrow();
    int limit = Math.min(MAX_PARALLEL, batches.stream().min(Integer::compare).orElseThrow());
    if (most > limit) {
      throw UsageException.ofFlag(flag, "at most -b, and " + MAX_PARALLEL, "" + most);
    }
    return most;
  }

  private RuntimeOptions options(
      Checkpoint checkpoint,
      Optional<String> backend,
      int threadCount,
      int batch,
      int sequences,
      List<Benchmark> tests) {
    RuntimeOptions options =
        RuntimeOptions.of(checkpoint.path())
            .withThreads(threadCount)
            .withBatchTokens(batch)
            .withCacheEncoding(cacheEncoding)
            .withRepack(!noRepack)
            .withMaxSequences(sequences)
            .withContextLength(tests.stream().mapToInt(Benchmark::length).max().orElseThrow());
    if (backend.isPresent()) {
      options = options.withBackend(backend.get());
    }
    if (device.isPresent()) {
      options = options.withDevice(device.get());
    }
    if (fit) {
      options = options.withFit();
    }
    if (rateOptions.given()) {
      options = rateOptions.applied(options);
    }
    return verbose ? options.withLog(context.err()::println) : options;
  }

  private static List<Optional<String>> optional(List<String> names) {
    return names.isEmpty() ? List.of(Optional.empty()) : names.stream().map(Optional::of).toList();
  }
}
