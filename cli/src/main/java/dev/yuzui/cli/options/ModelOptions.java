package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.Flags;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostResources;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which model, on which device, with how much memory: shared by the commands that run one. */
public final class ModelOptions {
  @Option(
      names = {"-m", "--model"},
      paramLabel = "PATH",
      description =
          "GGUF file or Hugging Face folder, in the hub's cache too (default: the embedded demo"
              + " model).")
  private Optional<Path> model = Optional.empty();

  @Mixin private HubModels hubModels;
  @Mixin private MetadataOptions metadata;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      description = "Backend, see 'yuzui devices' (default: the best usable one).")
  private Optional<String> backend = Optional.empty();

  @Option(
      names = "--device",
      paramLabel = "NAME",
      split = ",",
      description =
          "Device of the backend (default: its first); cpu:java is without native kernels. Several,"
              + " such as cuda:0,cuda:1 or cuda:0,cpu, have layers of the model each.")
  private List<String> devices = List.of();

  @Option(
      names = {"-t", "--threads"},
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Threads (default: physical cores).")
  private Optional<Integer> threads = Optional.empty();

  @Option(
      names = {"-c", "--ctx-size"},
      paramLabel = "N",
      converter = Ranges.Count.class,
      description =
          "Tokens of context; 0 for all that the model has (default: the model's, at most "
              + RuntimeOptions.DEFAULT_CONTEXT
              + ").")
  private Optional<Integer> contextSize = Optional.empty();

  @Option(names = "--max-model-len", hidden = true, converter = Ranges.Positive.class)
  private Optional<Integer> maxModelLen = Optional.empty();

  @Option(
      names = {"-fit", "--fit"},
      arity = "0..1",
      paramLabel = "on|off",
      parameterConsumer = Switch.class,
      description =
          "Let free memory choose, and say what: which devices have what (unless flags do), and the"
              + " largest context that fits, up to -c or the model's.")
  private boolean fit;

  @Option(
      names = {"-b", "--batch-size", "--max-num-batched-tokens"},
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description =
          "Tokens of one step, those of prompts and those made (default: what suits the backend,"
              + " 512 on the CPU).")
  private Optional<Integer> batchSize = Optional.empty();

  @Option(
      names = {"-np", "--parallel", "--max-num-seqs"},
      paramLabel = "N",
      converter = Ranges.Sequences.class,
      description =
          "Sequences that run together, up to -b; each has a cache of -c tokens (default: 1).")
  private Optional<Integer> maxSequences = Optional.empty();

  @Mixin private CacheTypeOptions cacheType;

  @Option(
      names = "--cache-pages",
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description =
          "Pages of the KV cache, shared by all sequences (of a device, with"
              + " --enable-expert-parallel; default: enough for each to fill its context).")
  private Optional<Integer> cachePages = Optional.empty();

  @Mixin private RepackOptions repackOptions;

  @Option(
      names = "--v4-qat",
      description =
          "DeepSeek-V4: round what attention keeps as DeepSeek's code does (default: keep it as it"
              + " is, as llama.cpp does).")
  private boolean v4Qat;

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

  Path modelPath(Context context) {
    return hubModels
        .one(context, model.isPresent())
        .or(() -> model.map(path -> ModelPath.resolved(context, path)))
        .orElseGet(() -> EmbeddedModel.path(context.surroundings()));
  }

  public boolean verbose() {
    return verbose;
  }

  public Optional<Integer> contextSize() {
    if (contextSize.isPresent() && maxModelLen.isPresent()) {
      throw new UsageException("-c and --max-model-len: expected one of them, found both");
    }
    return contextSize.or(() -> maxModelLen);
  }

  private int contextLength(int asked, Path path) {
    if (asked > 0) {
      return asked;
    }
    try (Checkpoint checkpoint = Checkpoints.open(path, metadata.overrides(), _ -> {})) {
      return checkpoint.config().contextLength();
    }
  }

  public boolean limitsSequences() {
    return maxSequences.isPresent();
  }

  public RuntimeOptions runtimeOptions(Context context) {
    Path path = modelPath(context);
    RuntimeOptions options =
        RuntimeOptions.of(path)
            .withMetadata(metadata.overrides())
            .withDriverCache(context.surroundings().cache());
    if (backend.isPresent()) {
      options = options.withBackend(backend.get());
    }
    options = options.withDevices(devices);
    if (threads.isPresent()) {
      int cores = HostResources.local().processors();
      if (threads.get() > cores) {
        context
            .err()
            .println(
                "-t "
                    + threads.get()
                    + ": slower than -t "
                    + cores
                    + ", for there are "
                    + cores
                    + " processors");
      }
      options = options.withThreads(threads.get());
    }
    Optional<Integer> tokens = contextSize();
    if (tokens.isPresent()) {
      options = options.withContextLength(contextLength(tokens.get(), path));
    }
    if (fit) {
      options = options.withFit();
    }
    if (batchSize.isPresent()) {
      options = options.withBatchTokens(batchSize.get());
    }
    if (maxSequences.isPresent()) {
      options = options.withMaxSequences(maxSequences.get());
    }
    Optional<Encoding> cache = cacheType.type();
    if (cache.isPresent()) {
      options = options.withCacheEncoding(cache.get());
    }
    if (cachePages.isPresent()) {
      options = options.withCachePages(cachePages.get());
    }
    options = repackOptions.applied(context, options).withV4Qat(v4Qat);
    options = options.withEarlyLaunch(!noEarlyLaunch).withNotice(context.err()::println);
    return verbose ? options.withLog(line -> context.err().println(Flags.in(line))) : options;
  }
}
