package dev.yuzui.cli.scale;

import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.TextTable;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import dev.yuzui.parallel.ExpertBalancer;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.HfConfig;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "scale",
    description = {
      "Predicts how fast a model is with its routed experts spread over many devices, from what the"
          + " devices and their links can do; nothing is run.",
      "Attention, shared experts and the cache are each device's own; a part of a step takes as long"
          + " as its bytes or its operations do, whichever is longer."
    },
    footer = {"", "Example: yuzui scale --devices 32,64 --batch 64 --network 100"})
public final class ScaleCommand implements Callable<Integer> {
  private final Context context;

  @Mixin private ScaleOptions options;

  @Option(
      names = "--config",
      paramLabel = "PATH",
      description = "config.json of the model, or its folder (default: DeepSeek-V3's).")
  private Optional<Path> config = Optional.empty();

  @Option(
      names = "--devices",
      paramLabel = "N",
      split = ",",
      converter = Ranges.Positive.class,
      defaultValue = "8,16,32,144",
      description = "Numbers of devices (default: ${DEFAULT-VALUE}).")
  private List<Integer> devices;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  public ScaleCommand(Context context) {
    this.context = context;
  }

  /**
   * @param weightBytes of a device
   * @param fits whether weights and the cache of a sequence do
   * @param batch sequences of a device that decode together
   */
  record Row(
      int devices,
      int nodes,
      int expertsEach,
      double weightBytes,
      boolean fits,
      Rate prefill,
      int batch,
      Rate decode,
      double perSequence) {}

  /**
   * @param tokens a second of a node
   * @param bound devices or links, whichever takes longer
   */
  record Rate(double tokens, double computeSeconds, double exchangeSeconds, String bound) {
    static Rate of(ScaleModel.Step step, int tokens, int nodeDevices) {
      return new Rate(
          tokens / step.all() * nodeDevices, step.compute(), step.exchange(), step.bound());
    }
  }

  record Report(
      String model,
      long parameters,
      List<String> assumptions,
      List<Row> rows,
      List<String> notes) {}

  @Override
  public Integer call() {
    ScaleShape shape = ScaleShape.of(config.map(HfConfig::read).orElseGet(ScaleCommand::v3));
    if (shape.config().gate().experts() == 0) {
      throw UsageException.ofFlag("--config", "a model with experts", shape.config().name());
    }
    List<Row> rows = devices.stream().map(n -> row(shape, n)).toList();
    Report report =
        new Report(
            shape.config().name(),
            shape.total(),
            options.assumptions(),
            rows,
            config.isEmpty() ? ScalePublished.compare(rows) : List.of());
    context.out().print(json ? Json.pretty(report) + "\n" : text(report));
    return ExitCode.DONE;
  }

  static DeepseekConfig v3() {
    try (InputStream in = ScaleCommand.class.getResourceAsStream("deepseek-v3.json")) {
      return HfConfig.read("DeepSeek-V3", in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Row row(ScaleShape shape, int n) {
    int node = Math.min(options.nodeDevices(), n);
    if (n % node != 0) {
      throw UsageException.ofFlag(
          "--devices", "at most, or a multiple of, the " + node + " of --node-devices", "" + n);
    }
    var gate = shape.config().gate();
    ExpertBalancer placement =
        new ExpertBalancer(gate.experts(), gate.groups(), n / node, n, options.redundant());
    ScaleModel model = options.model(shape);
    int room = model.largestBatch(placement, options.contextTokens());
    int batch = room < 1 ? options.batch() : Math.min(room, options.batch());
    Rate prefill =
        Rate.of(
            model.prefill(placement, options.prefillTokens(), options.prompt()),
            options.prefillTokens(),
            node);
    Rate decode = Rate.of(model.decode(placement, batch, options.contextTokens()), batch, node);
    return new Row(
        n,
        n / node,
        placement.slots(),
        model.weights(placement),
        room >= 1,
        prefill,
        batch,
        decode,
        decode.tokens() / node / batch);
  }

  private static String text(Report report) {
    List<List<String>> table = new ArrayList<>();
    table.add(
        List.of(
            "devices",
            "experts each",
            "weights, GB",
            "prefill, tokens/s a node",
            "bound by",
            "batch",
            "decoding, tokens/s a node",
            "a sequence",
            "bound by"));
    for (Row row : report.rows()) {
      table.add(
          List.of(
              "" + row.devices(),
              "" + row.expertsEach(),
              number("%.1f", row.weightBytes() * 1e-9) + (row.fits() ? "" : " !"),
              number("%,.0f", row.prefill().tokens()),
              row.prefill().bound(),
              "" + row.batch(),
              number("%,.0f", row.decode().tokens()),
              number("%.1f", row.perSequence()),
              row.decode().bound()));
    }
    StringBuilder out = new StringBuilder();
    out.append("%s, %s parameters%n%n".formatted(report.model(), Texts.count(report.parameters())));
    out.append(TextTable.of(table));
    if (report.rows().stream().anyMatch(row -> !row.fits())) {
      out.append("! more than a device's memory: these rates are of larger ones\n");
    }
    out.append("\nassumed\n");
    report.assumptions().forEach(line -> out.append("  ").append(line).append('\n'));
    if (!report.notes().isEmpty()) {
      out.append("\npublished: DeepSeek's online service on nodes of 8 H800\n");
      report.notes().forEach(line -> out.append("  ").append(line).append('\n'));
    }
    return out.toString();
  }

  private static String number(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }
}
