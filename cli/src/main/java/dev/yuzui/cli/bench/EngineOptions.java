package dev.yuzui.cli.bench;

import dev.yuzui.cli.options.BackendChoice;
import dev.yuzui.cli.options.CacheTypeOptions;
import dev.yuzui.cli.options.DistributionOptions;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.options.RepackOptions;
import dev.yuzui.cli.options.Switch;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostResources;
import dev.yuzui.weights.Checkpoint;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How the engines that are measured run; lists are measured one by one. */
final class EngineOptions {
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
      names = {"-fit", "--fit"},
      arity = "0..1",
      paramLabel = "on|off",
      parameterConsumer = Switch.class,
      description =
          "Leave out the tests whose context does not fit into the device's free memory, and say"
              + " so.")
  private boolean fit;

  @Mixin private CacheTypeOptions cacheType;

  @Mixin private RepackOptions repackOptions;

  @Option(
      names = "--no-early-launch",
      description =
          "CUDA: begin each kernel when the one before has ended, not while it ends; slower, for"
              + " a device that does not do it well.")
  private boolean noEarlyLaunch;

  @Option(
      names = {"-v", "--verbose"},
      description = "Say on stderr what was chosen and why.")
  private boolean verbose;

  @Mixin private DistributionOptions distributionOptions;
  @Mixin private ContenderOptions contenders;

  ContenderOptions contenders() {
    return contenders;
  }

  List<Integer> threads() {
    return threads.isEmpty() ? List.of(HostResources.local().cores()) : threads;
  }

  List<Integer> batches() {
    return batches;
  }

  /**
   * @param rate what requests ask for, where they are what is measured
   * @param contextLength of the longest test
   */
  RuntimeOptions runtime(
      Context context,
      Checkpoint checkpoint,
      Optional<BackendChoice> backend,
      int threadCount,
      int batch,
      int sequences,
      int contextLength,
      RateOptions rate) {
    RuntimeOptions options =
        RuntimeOptions.of(checkpoint.path())
            .withDriverCache(context.surroundings().cache())
            .withThreads(threadCount)
            .withBatchTokens(batch)
            .withCacheEncoding(cacheType.type().orElse(Encoding.F16))
            .withMaxSequences(sequences)
            .withContextLength(contextLength);
    options = contenders.applied(backend, options);
    if (fit) {
      options = options.withFit();
    }
    if (rate.given()) {
      options = rate.applied(options);
    }
    options = distributionOptions.applied(context, options);
    options = repackOptions.applied(context, options);
    options = options.withEarlyLaunch(!noEarlyLaunch).withNotice(context.err()::println);
    return verbose ? options.withLog(line -> context.err().println(Flags.in(line))) : options;
  }
}
