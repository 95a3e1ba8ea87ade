package dev.yuzui.cli.experts;

import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.ExpertCounter;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.parallel.ExpertBalancer;
import dev.yuzui.parallel.ExpertLoads;
import dev.yuzui.parallel.ExpertLoadsFile;
import dev.yuzui.parallel.ParallelException;
import dev.yuzui.spi.GateRule;
import dev.yuzui.weights.Checkpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.IntConsumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "experts",
    description = {
      "Counts which experts the model's gates choose for a text, layer by layer, and says how they"
          + " would be placed over devices.",
      "max/mean is the tokens of the most used expert over the mean; evenness their entropy, 1 if"
          + " all get the same. With --devices: the busiest device's tokens over the mean, with the"
          + " experts in order and as the hierarchical balancer (EPLB) places and replicates them;"
          + " -o json has the placement."
    },
    footer = {
      "",
      "Example: yuzui experts -f text.txt --loads loads.json --devices 8 --num-redundant-experts 8",
      "         yuzui experts --loads loads.json -o svg > experts.svg"
    })
public final class ExpertsCommand implements Callable<Integer> {
  private final Context context;

  @Mixin private ModelOptions modelOptions;
  @Mixin private Input input;

  @Option(
      names = {"-n", "--n-predict"},
      paramLabel = "N",
      converter = Ranges.Count.class,
      defaultValue = "0",
      description =
          "Tokens to make after the text and count as well, the best each time (default:"
              + " ${DEFAULT-VALUE}).")
  private int made;

  @Option(
      names = "--loads",
      paramLabel = "FILE",
      description =
          "Keep the counts in this file, added to what it has; without a text, show what it has.")
  private Optional<Path> file = Optional.empty();

  @Option(
      names = "--devices",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Place the experts over N devices.")
  private Optional<Integer> devices = Optional.empty();

  @Option(
      names = "--nodes",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      defaultValue = "1",
      description = "Nodes that have the devices, as many each (default: ${DEFAULT-VALUE}).")
  private int nodes;

  @Option(
      names = "--num-redundant-experts",
      paramLabel = "N",
      converter = Ranges.Count.class,
      defaultValue = "0",
      description = "Replicas of a layer's most used experts (default: ${DEFAULT-VALUE}).")
  private int redundant;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FORMAT",
      defaultValue = "table",
      description = "table, json, or svg, a heat map (default: ${DEFAULT-VALUE}).")
  private String output;

  public ExpertsCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    ExpertsFormat format = ExpertsFormat.of(output);
    if (devices.isEmpty() && (nodes > 1 || redundant > 0)) {
      throw UsageException.ofFlag(
          "--nodes, --num-redundant-experts", "--devices beside them", "none");
    }
    if (!input.given() && file.isEmpty()) {
      throw new UsageException(
          "no text: give -p TEXT, -f FILE, -f - for standard input, or --loads FILE of a run before");
    }
    RuntimeOptions options = modelOptions.runtimeOptions(context);
    Checkpoint checkpoint = Loading.checkpoint(context, options);
    ExpertsReport report;
    if (input.given()) {
      try (Engine engine = Loading.open(context, checkpoint, options)) {
        report = report(checkpoint, Optional.of(engine));
      }
    } else {
      try (checkpoint) {
        report = report(checkpoint, Optional.empty());
      }
    }
    context.out().print(format.text(report));
    return ExitCode.DONE;
  }

  /** What can be wrong is found before anything is counted. */
  private ExpertsReport report(Checkpoint checkpoint, Optional<Engine> engine) {
    GateRule gate = checkpoint.config().gate();
    if (gate.experts() == 0) {
      throw UsageException.ofFlag("-m", "a model with experts", checkpoint.path().toString());
    }
    Optional<ExpertBalancer> balancer = devices.map(n -> balancer(gate, n));
    ExpertLoads loads =
        new ExpertLoads(checkpoint.config().name(), checkpoint.fingerprint(), gate.experts());
    if (engine.isEmpty() || file.filter(Files::exists).isPresent()) {
      file.ifPresent(f -> add(loads, f));
    }
    engine.ifPresent(
        e -> {
          loads.merge(count(e));
          file.ifPresent(f -> write(f, loads));
        });
    return ExpertsReport.of(loads, gate, balancer);
  }

  private ExpertBalancer balancer(GateRule gate, int n) {
    return new ExpertBalancer(gate.experts(), gate.groups(), nodes, n, redundant);
  }

  private static void add(ExpertLoads loads, Path file) {
    if (!Files.exists(file)) {
      throw UsageException.ofFlag("--loads", "a file, or a text to count", file + ", not there");
    }
    if (!Files.isRegularFile(file)) {
      throw UsageException.ofFlag("--loads", "a file", file + ", which is none");
    }
    try {
      loads.merge(ExpertLoadsFile.read(file));
    } catch (ParallelException e) {
      throw new UsageException("--loads " + e.getMessage());
    }
  }

  private ExpertLoads count(Engine engine) {
    int[] tokens = engine.tokenizer().encode(input.text(context), true);
    if (tokens.length == 0) {
      throw UsageException.ofFlag("-p, -f", "a text of one token or more", "none");
    }
    ExpertCounter counter = new ExpertCounter(engine);
    counter.count(tokens, made, progress(tokens.length));
    return counter.loads();
  }

  /** Only a terminal sees it. */
  private IntConsumer progress(int all) {
    return context.surroundings().errIsTerminal()
        ? read ->
            context.err().print("\r" + read + " of " + all + " tokens" + (read < all ? "" : "\n"))
        : _ -> {};
  }

  private static void write(Path file, ExpertLoads loads) {
    try {
      ExpertLoadsFile.write(file, loads);
    } catch (ParallelException e) {
      throw new FailedException("--loads " + e.getMessage());
    }
  }
}
