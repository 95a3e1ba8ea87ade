package dev.yuzui.cli;

import dev.yuzui.engine.Backends;
import dev.yuzui.engine.DeviceMemory;
import dev.yuzui.engine.MemoryPlan;
import dev.yuzui.engine.RuntimeOptions;
import dev.yuzui.text.TemplateChoice;
import dev.yuzui.text.TextException;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.StoredTensor;
import dev.yuzui.weights.Parameters;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "inspect",
    description = "Shows what a checkpoint holds, what it needs, and whether it fits.",
    footer = {"", "Example: yuzui inspect -m model.gguf -c 32768"})
final class InspectCommand implements Callable<Integer> {
  private final Context context;

  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;

  @Option(names = "--tensors", description = "List every tensor.")
  private boolean tensors;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  InspectCommand(Context context) {
    this.context = context;
  }

  record TypeSum(String type, int tensors, long parameters, long bytes) {}

  record TensorRow(String name, String type, List<Long> shape, long bytes, String file) {}

  record Memory(
      String backend,
      int contextLength,
      String kvCacheDtype,
      long weightBytes,
      long deviceWeightBytes,
      long cacheBytesPerToken,
      long cacheBytes,
      long scratchBytes,
      long availableBytes,
      boolean fits,
      long missingBytes,
      int largestContext,
      List<String> advice,
      List<String> reasons,
      List<DeviceRow> devices) {}

  /**
   * @param layers whose attention it runs
   * @param experts routed ones of all layers
   */
  record DeviceRow(
      String device,
      int layers,
      int experts,
      long weightBytes,
      long cacheBytes,
      long scratchBytes,
      long exchangeBytes,
      long availableBytes,
      long missingBytes) {

    static DeviceRow of(MemoryPlan plan, int index) {
      DeviceMemory d = plan.devices().get(index);
      return new DeviceRow(
          d.device().name(),
          plan.layout().layers(index),
          plan.layout().experts(index),
          d.weightBytes(),
          d.cacheBytes(),
          d.scratchBytes(),
          d.exchangeBytes(),
          d.availableBytes(),
          d.missingBytes());
    }

    String line() {
      return String.format(
          Locale.ROOT,
          "  %-12s %3d layers, %d experts: weights %s, cache %s, working space %s; %s %s free",
          device,
          layers,
          experts,
          Texts.bytes(weightBytes),
          Texts.bytes(cacheBytes),
          Texts.bytes(scratchBytes + exchangeBytes),
          missingBytes > 0 ? Texts.bytes(missingBytes) + " more than the" : "fits into",
          Texts.bytes(availableBytes));
    }
  }

  record Report(
      String path,
      String format,
      String name,
      Map<String, String> metadata,
      Parameters parameters,
      List<TypeSum> types,
      Memory memory,
      String chatTemplate,
      List<TensorRow> tensors) {}

  @Override
  public Integer call() {
    RuntimeOptions options =
        distributionOptions.applied(context, modelOptions.runtimeOptions(context));
    try (Checkpoint checkpoint = Loading.checkpoint(context, options)) {
      Report report = report(checkpoint, options);
      if (json) {
        context.out().println(Json.pretty(report));
      } else {
        print(checkpoint, report);
      }
    }
    return ExitCode.DONE;
  }

  private Report report(Checkpoint checkpoint, RuntimeOptions options) {
    return new Report(
        checkpoint.path().toString(),
        checkpoint.format(),
        checkpoint.config().name(),
        checkpoint.metadata(),
        Parameters.of(checkpoint.config()),
        types(checkpoint.stored()),
        memory(checkpoint, options),
        chatTemplate(checkpoint),
        tensors
            ? checkpoint.stored().stream()
                .map(
                    t ->
                        new TensorRow(
                            t.name(), t.type(), t.shape(), t.bytes(), t.file().toString()))
                .toList()
            : List.of());
  }

  private static String chatTemplate(Checkpoint checkpoint) {
    try {
      return TemplateChoice.of(checkpoint).line();
    } catch (TextException e) {
      return "none, for the vocabulary cannot be used: " + e.getMessage();
    }
  }

  private static List<TypeSum> types(List<StoredTensor> stored) {
    Map<String, TypeSum> sums = new TreeMap<>();
    for (StoredTensor t : stored) {
      sums.merge(
          t.type(),
          new TypeSum(t.type(), 1, t.elements(), t.bytes()),
          (a, b) ->
              new TypeSum(
                  a.type(),
                  a.tensors() + 1,
                  a.parameters() + b.parameters(),
                  a.bytes() + b.bytes()));
    }
    return List.copyOf(sums.values());
  }

  private static Memory memory(Checkpoint checkpoint, RuntimeOptions options) {
    MemoryPlan plan = MemoryPlan.of(checkpoint, Backends.devices(options), options);
    return new Memory(
        plan.backend(),
        plan.contextLength(),
        options.cacheEncoding().label(),
        plan.weightBytes(),
        plan.deviceWeightBytes(),
        plan.cacheBytesPerToken(),
        plan.cacheBytes(),
        plan.scratchBytes(),
        plan.availableBytes(),
        plan.fits(),
        plan.missingBytes(),
        plan.largestContext(),
        plan.advice().stream().map(Flags::in).toList(),
        plan.reasons().stream().map(Flags::in).toList(),
        IntStream.range(0, plan.devices().size()).mapToObj(d -> DeviceRow.of(plan, d)).toList());
  }

  private void print(Checkpoint checkpoint, Report report) {
    Out out = context.out();
    out.println(report.name() + ", " + report.format() + ", " + report.path());
    out.println("");
    report.metadata().forEach((key, value) -> out.println(String.format("  %-44s %s", key, value)));
    out.println("");
    Parameters p = report.parameters();
    out.println(
        "parameters    "
            + Texts.count(p.total())
            + " in total, "
            + Texts.count(p.active())
            + " active per token"
            + (p.mtp() > 0 ? ", and " + Texts.count(p.mtp()) + " of the MTP layer" : ""));
    out.println("tensors       " + checkpoint.stored().size());
    for (TypeSum t : report.types()) {
      out.println(
          String.format(
              Locale.ROOT,
              "  %-10s %6d tensors %12s parameters %12s",
              t.type(),
              t.tensors(),
              Texts.count(t.parameters()),
              Texts.bytes(t.bytes())));
    }
    out.println("chat template " + report.chatTemplate());
    print(report.memory(), checkpoint.config().contextLength());
    for (TensorRow t : report.tensors()) {
      out.println(
          String.format(
              Locale.ROOT,
              "  %-52s %-9s %-24s %12s",
              t.name(),
              t.type(),
              t.shape(),
              Texts.bytes(t.bytes())));
    }
  }

  private void print(Memory m, int modelContext) {
    Out out = context.out();
    boolean mapped = m.deviceWeightBytes() == 0;
    out.println(
        "weights       "
            + Texts.bytes(m.weightBytes())
            + (mapped
                ? ", used where the file is mapped"
                : ", " + Texts.bytes(m.deviceWeightBytes()) + " on " + m.backend()));
    out.println(
        String.format(
            Locale.ROOT,
            "cache         %s per token (%s), %s for %d tokens of context (the model's own: %d)",
            Texts.bytes(m.cacheBytesPerToken()),
            m.kvCacheDtype(),
            Texts.bytes(m.cacheBytes()),
            m.contextLength(),
            modelContext));
    out.println("working space " + Texts.bytes(m.scratchBytes()));
    out.println(
        (m.fits() ? "fits          into " : "does not fit  into ")
            + Texts.bytes(m.availableBytes())
            + " free on "
            + m.backend()
            + (m.fits() ? "" : ": " + Texts.bytes(m.missingBytes()) + " are missing; use"));
    m.advice().forEach(line -> out.println("              " + line));
    m.reasons().forEach(line -> out.println("placed        " + line));
    if (m.devices().size() > 1) {
      m.devices().forEach(d -> out.println(d.line()));
    }
    if (mapped && m.weightBytes() > m.availableBytes()) {
      out.println("              but not with the file: tokens will wait for the disk");
    }
  }
}
