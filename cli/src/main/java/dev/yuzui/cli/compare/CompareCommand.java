package dev.yuzui.cli.compare;

import dev.yuzui.cli.options.BackendChoice;
import dev.yuzui.cli.options.CacheTypeOptions;
import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.ModelSources;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.options.RepackOptions;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.Machine;
import dev.yuzui.cli.shell.NotNumbers;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.cli.shell.Version;
import dev.yuzui.compare.Comparison;
import dev.yuzui.compare.Trace;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.BackendProvider.Probe;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostResources;
import dev.yuzui.weights.Checkpoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "compare",
    description = {
      "Runs a prompt through several backends and says how far each is from the first, layer by"
          + " layer: attention, choice of experts, experts, logits.",
      "Each is read twice: in its own run, where errors add up, and with every part given the first"
          + " backend's numbers, so that a part that is off is broken itself. The first such part"
          + " is named, with the ops and weights to look at.",
      "Bounds of the second reading, relative to the part's norm: 1e-4 with weights of F32 and"
          + " without any, 4e-3 with F16, BF16 and FP8, 5e-2 with block formats (activations may be"
          + " rounded to eight bits); of fifty choices of experts one may be another, of the entries"
          + " that sparse attention chooses those that the cache's rounding explains: near ties are"
          + " no fault, and what follows goes on with the first backend's choice."
    },
    footer = {
      "",
      "Example: yuzui compare -m model.gguf --backends reference,cpu -p \"Once upon a time\"",
      "Exit codes: 0 all within bounds, 3 a backend is not, 1 failed, 2 bad input or usage."
    })
public final class CompareCommand implements Callable<Integer> {
  /** What the first backend computed is kept: some megabytes a token. */
  private static final int MAX_TOKENS = 256;

  private final Context context;

  @Mixin private ModelSources sources;
  @Mixin private Input input;

  @Option(
      names = "--backends",
      paramLabel = "NAME",
      split = ",",
      description =
          "Backends, with or without a device, such as reference,cpu,cuda:1; the others are held to"
              + " the first (default: reference and every usable one).")
  private List<String> names = List.of();

  @Option(
      names = "--tokens",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description =
          "Read N random tokens instead of a text, at most " + MAX_TOKENS + " (default: 32).")
  private Optional<Integer> tokens = Optional.empty();

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      converter = Ranges.Seed.class,
      description = "Of the random tokens (default: ${DEFAULT-VALUE}); -1 takes a random one.")
  private long seed;

  @Option(
      names = {"-n", "--n-predict"},
      paramLabel = "N",
      converter = Ranges.Count.class,
      defaultValue = "4",
      description =
          "Tokens to make after the prompt, the first backend's choice (default:"
              + " ${DEFAULT-VALUE}).")
  private int decoded;

  @Option(
      names = {"-t", "--threads"},
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Threads (default: physical cores).")
  private Optional<Integer> threads = Optional.empty();

  @Mixin private CacheTypeOptions cacheType;

  @Mixin private RepackOptions repackOptions;

  @Option(
      names = "--no-early-launch",
      description =
          "CUDA: begin each kernel when the one before has ended, not while it ends; slower, for"
              + " a device that does not do it well.")
  private boolean noEarlyLaunch;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FORMAT",
      defaultValue = "text",
      description = "text, md or json (default: ${DEFAULT-VALUE}).")
  private String output;

  @Option(
      names = {"-v", "--verbose"},
      description = "Say on stderr what was chosen and why.")
  private boolean verbose;

  public CompareCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    CompareFormat format = CompareFormat.of(output);
    if (decoded > MAX_TOKENS) {
      throw UsageException.ofFlag("-n, --n-predict", "at most " + MAX_TOKENS, "" + decoded);
    }
    if (tokens.isPresent() && input.given()) {
      throw new UsageException("--tokens and a text (-p, -f): expected one of them, found both");
    }
    List<Supplier<Checkpoint>> models = sources.all(context);
    if (models.size() != 1) {
      throw UsageException.ofFlag("-m, --synthetic", "one model", models.size() + " of them");
    }
    CompareReport report = compare(choices(), models.getFirst());
    format.print(context.out(), report);
    return report.exitCode();
  }

  private List<BackendChoice> choices() {
    List<String> wanted =
        names.isEmpty()
            ? Backends.all().stream()
                .filter(p -> p.preference() >= 0 && p.probe() instanceof Probe.Usable)
                .map(BackendProvider::name)
                .collect(Collectors.toCollection(ArrayList::new))
            : names;
    if (names.isEmpty()) {
      wanted.addFirst("reference");
    }
    List<BackendChoice> choices =
        wanted.stream().map(name -> BackendChoice.of("--backends", name)).toList();
    if (choices.size() < 2) {
      throw UsageException.ofFlag("--backends", "two or more", String.join(",", wanted));
    }
    return choices;
  }

  /** One after the other: none is open beside another. */
  private CompareReport compare(List<BackendChoice> choices, Supplier<Checkpoint> model) {
    CompareReport report = new CompareReport(Version.number(), Machine.processor());
    Optional<Trace> trace = Optional.empty();
    for (BackendChoice choice : choices) {
      Optional<Probe.Unusable> unusable = choice.unusable();
      if (unusable.isPresent()) {
        report.absent(choice.name(), unusable.get());
        continue;
      }
      context.err().println(choice.name() + " ...");
      try (Engine engine = open(choice, model)) {
        if (trace.isEmpty()) {
          trace = Optional.of(Trace.of(engine, prompt(engine), decoded));
          if (!trace.get().isFinite()) {
            throw NotNumbers.failure(engine, "the logits are not numbers");
          }
          report.baseline(choice.name(), engine, trace.get());
        } else {
          report.compared(choice.name(), engine, Comparison.of(engine, trace.get()));
        }
      } catch (BackendException e) {
        report.failed(choice.name(), e);
      }
    }
    if (!report.hasCompared()) {
      throw new FailedException("--backends: fewer than two ran here\n" + report.missing());
    }
    return report;
  }

  private Engine open(BackendChoice choice, Supplier<Checkpoint> model) {
    Checkpoint checkpoint = model.get();
    return Loading.open(context, checkpoint, options(choice, checkpoint));
  }

  private RuntimeOptions options(BackendChoice choice, Checkpoint checkpoint) {
    RuntimeOptions options =
        choice
            .applied(RuntimeOptions.of(checkpoint.path()))
            .withThreads(threads.orElse(HostResources.local().cores()))
            .withBatchTokens(Engine.OBSERVED_TOKENS)
            .withContextLength(Math.min(MAX_TOKENS + decoded, checkpoint.config().contextLength()))
            .withCacheEncoding(cacheType.type().orElse(Encoding.F16))
            .withDriverCache(context.surroundings().cache());
    options = repackOptions.applied(context, options);
    options = options.withEarlyLaunch(!noEarlyLaunch).withNotice(context.err()::println);
    return verbose ? options.withLog(line -> context.err().println(Flags.in(line))) : options;
  }

  private int[] prompt(Engine engine) {
    int[] ids =
        input.given()
            ? engine.tokenizer().encode(input.text(context), true)
            : (seed == SamplingParams.RANDOM_SEED
                    ? new SplittableRandom()
                    : new SplittableRandom(seed))
                .ints(tokens.orElse(32), 0, engine.config().vocabSize())
                .toArray();
    if (ids.length == 0 || ids.length > MAX_TOKENS) {
      throw UsageException.ofFlag(
          input.given() ? "-p, -f" : "--tokens", "1 to " + MAX_TOKENS + " tokens", "" + ids.length);
    }
    return ids;
  }
}
