package dev.yuzui.cli.inspect;

import dev.yuzui.cli.options.DistributionOptions;
import dev.yuzui.cli.options.ModelOptions;
import dev.yuzui.cli.options.RepackOptions;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.cli.shell.Loading;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.engine.plan.DeviceMemory;
import dev.yuzui.engine.plan.MemoryPlan;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import dev.yuzui.text.TemplateChoice;
import dev.yuzui.text.TextException;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.StoredTensor;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Listing;
import dev.yuzui.weights.Parameters;
import dev.yuzui.weights.WeightException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
public final class InspectCommand implements Callable<Integer> {
  private final Context context;

  @Mixin private ModelOptions modelOptions;
  @Mixin private DistributionOptions distributionOptions;

  @Option(names = "--tensors", description = "List every tensor.")
  private boolean tensors;

  @Option(
      names = "--metadata",
      description = "List what the file says of itself; --json always does.")
  private boolean metadata;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  public InspectCommand(Context context) {
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
      List<DeviceRow> devices,
      Optional<CompressedCache> compressed,
      List<RepackRow> repackCache) {}

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

  /**
   * Of a file that does not run.
   *
   * @param unusable types that no backend computes with
   */
  record Refused(
      String path,
      String format,
      String name,
      String error,
      List<String> unusable,
      Map<String, String> metadata,
      List<TypeSum> types,
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
    } catch (WeightException refusal) {
      print(unusable(options.model(), refusal), refusal);
    }
    return ExitCode.DONE;
  }

  /**
   * What is in a file whose types do not run.
   *
   * @throws WeightException the same refusal, if it has another reason
   */
  private static Listing unusable(Path model, WeightException refusal) {
    try {
      Listing listing = Checkpoints.listing(model);
      if (!listing.unusable().isEmpty()) {
        return listing;
      }
    } catch (WeightException _) {
      // what was wrong first is said
    }
    throw refusal;
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
        tensors ? rows(checkpoint.stored()) : List.of());
  }

  private static List<TensorRow> rows(List<StoredTensor> stored) {
    return stored.stream()
        .map(t -> new TensorRow(t.name(), t.type(), t.shape(), t.bytes(), t.file().toString()))
        .toList();
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

  private Memory memory(Checkpoint checkpoint, RuntimeOptions options) {
    MemoryPlan plan = MemoryPlan.of(checkpoint, Backends.devices(options), options);
    return new Memory(
        plan.backend(),
        plan.contextLength(),
        options.cache().encoding().label(),
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
        IntStream.range(0, plan.devices().size()).mapToObj(d -> DeviceRow.of(plan, d)).toList(),
        CompressedCache.of(checkpoint.config(), options.cache().encoding()),
        RepackRow.of(checkpoint, plan, options, RepackOptions.defaultFolder(context)));
  }

  private void print(Checkpoint checkpoint, Report report) {
    Out out = context.out();
    Memory m = report.memory();
    out.println(report.name() + ", " + report.format() + ", " + report.path());
    out.println(parameters(report.parameters()));
    printFit(m);
    out.println("chat template " + report.chatTemplate());
    out.println("");
    printTypes(report.types(), Set.of());
    printMemory(m, checkpoint.config().contextLength());
    printDetails(report.tensors(), report.metadata());
  }

  /** A file that does not run: what is in it, and why not. */
  private void print(Listing listing, WeightException refusal) {
    List<TypeSum> types = types(listing.stored());
    String name = listing.config().map(DeepseekConfig::name).orElse("a model");
    if (json) {
      context
          .out()
          .println(
              Json.pretty(
                  new Refused(
                      listing.path().toString(),
                      listing.format(),
                      name,
                      refusal.getMessage(),
                      List.copyOf(listing.unusable()),
                      listing.metadata(),
                      types,
                      tensors ? rows(listing.stored()) : List.of())));
      return;
    }
    Out out = context.out();
    out.println(name + ", " + listing.format() + ", " + listing.path());
    listing.config().map(Parameters::of).map(InspectCommand::parameters).ifPresent(out::println);
    out.println("does not run  " + refusal.getMessage());
    out.println("");
    printTypes(types, listing.unusable());
    printDetails(tensors ? rows(listing.stored()) : List.of(), listing.metadata());
  }

  private static String parameters(Parameters p) {
    return "parameters    "
        + Texts.count(p.total())
        + " in total, "
        + Texts.count(p.active())
        + " active per token"
        + (p.mtp() > 0 ? ", and " + Texts.count(p.mtp()) + " of the MTP layer" : "");
  }

  private void printFit(Memory m) {
    Out out = context.out();
    out.println(
        (m.fits() ? "fits          into " : "does not fit  into ")
            + Texts.bytes(m.availableBytes())
            + " free on "
            + m.backend()
            + (m.fits()
                ? ", with " + m.contextLength() + " tokens of context"
                : ": " + Texts.bytes(m.missingBytes()) + " are missing; use"));
    m.advice().forEach(line -> out.println("              " + line));
    if (m.deviceWeightBytes() == 0 && m.weightBytes() > m.availableBytes()) {
      out.println("              but not with the file: tokens will wait for the disk");
    }
  }

  private void printTypes(List<TypeSum> types, Set<String> unusable) {
    Out out = context.out();
    out.println("tensors       " + types.stream().mapToInt(TypeSum::tensors).sum());
    for (TypeSum t : types) {
      out.println(
          String.format(
              Locale.ROOT,
              "  %-10s %6d tensors %12s parameters %12s%s",
              t.type(),
              t.tensors(),
              Texts.count(t.parameters()),
              Texts.bytes(t.bytes()),
              unusable.contains(t.type()) ? "   does not run" : ""));
    }
  }

  private void printMemory(Memory m, int modelContext) {
    Out out = context.out();
    out.println(
        "weights       "
            + Texts.bytes(m.weightBytes())
            + (m.deviceWeightBytes() == 0
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
    m.repackCache().forEach(row -> out.println("repack cache  " + row.line()));
    m.compressed().stream().flatMap(c -> c.lines().stream()).forEach(out::println);
    out.println("working space " + Texts.bytes(m.scratchBytes()));
    m.reasons().forEach(line -> out.println("placed        " + line));
    if (m.devices().size() > 1) {
      m.devices().forEach(d -> out.println(d.line()));
    }
  }

  private void printDetails(List<TensorRow> rows, Map<String, String> keys) {
    Out out = context.out();
    for (TensorRow t : rows) {
      out.println(
          String.format(
              Locale.ROOT,
              "  %-52s %-9s %-24s %12s",
              t.name(),
              t.type(),
              t.shape(),
              Texts.bytes(t.bytes())));
    }
    if (metadata) {
      out.println("metadata      " + keys.size());
      keys.forEach((key, value) -> out.println(String.format("  %-44s %s", key, value)));
    }
  }
}
