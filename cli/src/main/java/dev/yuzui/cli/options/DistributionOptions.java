package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.Distribution.Split;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** What of the model lies on which of several devices: for commands that run one. */
public final class DistributionOptions {
  private static final String PARALLEL = "--enable-expert-parallel";
  private static final String SPLIT = "--split-mode";
  private static final String BUDGET = "--gpu-expert-budget";
  private static final String BALANCING = "--enable-eplb";
  private static final String INTERVAL = "--eplb-step-interval";
  private static final int STEPS = 1000;
  private static final String REDUNDANT = "--num-redundant-experts";

  @Option(
      names = PARALLEL,
      description =
          "Over the devices of --device: each runs attention for sequences of its own, and routed"
              + " experts are placed over all. For many sequences together.")
  private boolean expertParallel;

  @Option(
      names = {"-sm", SPLIT},
      paramLabel = "MODE",
      converter = Mode.class,
      description =
          "layer: each device has some of the layers; expert: the first has all but the routed"
              + " experts, which are placed over all (default: layer).")
  private Optional<Split> split = Optional.empty();

  @Option(
      names = {"-ngl", "--gpu-layers", "--n-gpu-layers"},
      paramLabel = "N",
      converter = GpuLayers.Converter.class,
      description =
          "all, or as many as the model has: no layer on the CPU, whatever --fit finds; 0:"
              + " --backend cpu.")
  private Optional<GpuLayers> gpuLayers = Optional.empty();

  @Option(
      names = {"-ncmoe", "--n-cpu-moe"},
      paramLabel = "N",
      converter = Ranges.Count.class,
      description = "Keep the routed experts of the first N layers that have some on the CPU.")
  private Optional<Integer> cpuLayers = Optional.empty();

  @Option(
      names = {"-cmoe", "--cpu-moe"},
      description = "Keep the routed experts of all layers on the CPU.")
  private boolean cpu;

  @Option(
      names = BUDGET,
      paramLabel = "SIZE",
      converter = Ranges.Bytes.class,
      description =
          "Memory of the first device for routed experts, such as 20G or 512M: the most used ones"
              + " by --expert-loads, else each layer's first. The others are computed on the second"
              + " device, or on the CPU.")
  private Optional<Long> budget = Optional.empty();

  @Option(
      names = REDUNDANT,
      paramLabel = "N",
      converter = Ranges.Count.class,
      description = "Replicas of each layer's most used experts (default: 0).")
  private int redundant;

  @Option(
      names = "--expert-loads",
      paramLabel = "FILE",
      description =
          "How much each expert is used, as 'yuzui experts --loads FILE' counts it; decides which go"
              + " where.")
  private Optional<Path> loads = Optional.empty();

  @Option(
      names = BALANCING,
      description =
          "Place routed experts anew while the engine runs, by how much they were used since the last"
              + " time (expert-parallelism load balancing).")
  private boolean balancing;

  @Option(
      names = INTERVAL,
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Steps from one look at the loads to the next (default: " + STEPS + ").")
  private Optional<Integer> interval = Optional.empty();

  static final class Mode implements ITypeConverter<Split> {
    @Override
    public Split convert(String text) {
      return switch (text.toLowerCase(Locale.ROOT)) {
        case "layer" -> Split.LAYER;
        case "expert" -> Split.EXPERT;
        default ->
            throw new TypeConversionException("expected layer or expert, found '" + text + "'");
      };
    }
  }

  /**
   * @throws UsageException if two flags contradict each other, or one would do nothing
   */
  public RuntimeOptions applied(Context context, RuntimeOptions asked) {
    requireOneWay();
    RuntimeOptions options = gpuLayers.map(layers -> layers.beforeExperts(asked)).orElse(asked);
    requireDevices(options.devices().size());
    requireUse(options.fit());
    Distribution how =
        Distribution.ANY
            .withSplit(split.orElse(Split.ANY))
            .withRedundantExperts(redundant)
            .withCpuExpertLayers(cpu ? Integer.MAX_VALUE : cpuLayers.orElse(0));
    how = expertParallel ? how.withExpertParallel() : how;
    how = budget.isPresent() ? how.withExpertBudget(budget.get()) : how;
    how = balancing ? how.withRebalanceSteps(interval.orElse(STEPS)) : how;
    how = loads.isPresent() ? how.withLoads(loads.get()) : how;
    RuntimeOptions placed = options.withDistribution(how);
    if (keepsOnCpu() || budget.isPresent()) {
      if (Backends.devices(placed).stream().allMatch(d -> d.provider().host())) {
        context.err().println(name() + ": changes nothing, for there is no device but the CPU");
        return options;
      }
    }
    return gpuLayers.map(layers -> layers.afterExperts(context, placed)).orElse(placed);
  }

  private boolean keepsOnCpu() {
    return cpu || cpuLayers.isPresent();
  }

  private String name() {
    return cpu ? "--cpu-moe" : cpuLayers.isPresent() ? "--n-cpu-moe" : BUDGET;
  }

  private void requireOneWay() {
    requireOne(PARALLEL, expertParallel, SPLIT, split.isPresent());
    requireOne(PARALLEL, expertParallel, name(), keepsOnCpu() || budget.isPresent());
    requireOne(SPLIT + " expert", split.equals(Optional.of(Split.EXPERT)), name(), keepsOnCpu());
    requireOne("--cpu-moe", cpu, "--n-cpu-moe", cpuLayers.isPresent());
    requireOne("--cpu-moe", cpu, BUDGET, budget.isPresent());
    requireOne(
        SPLIT + " layer", split.equals(Optional.of(Split.LAYER)), BUDGET, budget.isPresent());
  }

  private static void requireOne(String a, boolean hasA, String b, boolean hasB) {
    if (hasA && hasB) {
      throw new UsageException(a + " and " + b + ": expected one of them, found both");
    }
  }

  private void requireDevices(int devices) {
    if (devices < 2 && (expertParallel || split.isPresent())) {
      throw UsageException.ofFlag(
          expertParallel ? PARALLEL : SPLIT,
          "two or more devices, such as --device cuda:0,cuda:1",
          devices == 0 ? "none named" : "one");
    }
    if (devices > 2 && budget.isPresent()) {
      throw UsageException.ofFlag(
          BUDGET,
          "at most two devices, that of the hot experts and that of the others",
          "" + devices);
    }
  }

  private void requireUse(boolean fit) {
    boolean spread = expertParallel || split.equals(Optional.of(Split.EXPERT)) && budget.isEmpty();
    if (redundant > 0 && !spread) {
      throw UsageException.ofFlag(
          REDUNDANT, PARALLEL + " or " + SPLIT + " expert beside it", "neither");
    }
    if (balancing && !spread) {
      throw UsageException.ofFlag(
          BALANCING, PARALLEL + " or " + SPLIT + " expert beside it", "neither");
    }
    if (interval.isPresent() && !balancing) {
      throw UsageException.ofFlag(INTERVAL, BALANCING + " beside it", "none");
    }
    if (loads.isPresent() && !spread && budget.isEmpty() && !fit) {
      throw UsageException.ofFlag(
          "--expert-loads",
          PARALLEL + ", " + SPLIT + " expert, " + BUDGET + " or --fit beside it",
          "none");
    }
  }
}
