package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.MetadataOverrides;
import dev.yuzui.weights.SyntheticCheckpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Models of files, or of random weights where speed or kernels matter and sense does not. */
public final class ModelSources {
  private static final long SEED = 1;
  private static final String QUANT = "Q4_K_M";

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
      description = "Type of synthetic weights (default: " + QUANT + ").")
  private Optional<String> quant = Optional.empty();

  @Mixin private HubModels hubModels;
  @Mixin private MetadataOptions metadata;

  /** Each opens its model, as often as it is asked. */
  public List<Supplier<Checkpoint>> all(Context context) {
    if (!models.isEmpty() && !synthetic.isEmpty()) {
      throw new UsageException("-m and --synthetic: expected one of them, found both");
    }
    if (hubModels.named() && !synthetic.isEmpty()) {
      throw new UsageException("-hf and --synthetic: expected one of them, found both");
    }
    MetadataOverrides overrides = metadata.overrides();
    if (!synthetic.isEmpty() && !overrides.values().isEmpty()) {
      throw UsageException.ofFlag("--override-kv", "a GGUF", "--synthetic weights");
    }
    requireName("--synthetic", synthetic, SyntheticCheckpoint.presets());
    quant.ifPresent(type -> requireName("--quant", List.of(type), SyntheticCheckpoint.quants()));
    if (quant.isPresent() && synthetic.isEmpty()) {
      throw UsageException.ofFlag("--quant", "--synthetic beside it", "none");
    }
    String type = quant.orElse(QUANT);
    List<Supplier<Checkpoint>> sources = new ArrayList<>();
    synthetic.forEach(
        preset -> sources.add(() -> SyntheticCheckpoint.repeating(preset, type, SEED)));
    Stream.concat(
            hubModels.all(context, !models.isEmpty()).stream(),
            models.stream().map(path -> ModelPath.resolved(context, path)))
        .forEach(path -> sources.add(() -> open(path, overrides)));
    if (sources.isEmpty()) {
      Path embedded = EmbeddedModel.path(context.surroundings());
      sources.add(() -> open(embedded, overrides));
    }
    return sources;
  }

  /** Of the one model, which may be no more than a folder with a tokenizer.json. */
  public VocabularySource vocabulary(Context context) {
    if (models.size() > 1 || !synthetic.isEmpty()) {
      throw UsageException.ofFlag(
          "-m",
          "one model or folder with a tokenizer.json",
          synthetic.isEmpty() ? "several" : "--synthetic");
    }
    Path path =
        models.isEmpty()
            ? EmbeddedModel.path(context.surroundings())
            : ModelPath.resolved(context, models.getFirst());
    return Checkpoints.vocabulary(path, metadata.overrides(), _ -> {});
  }

  private static Checkpoint open(Path path, MetadataOverrides overrides) {
    return Checkpoints.open(path, overrides, _ -> {});
  }

  private static void requireName(String flag, List<String> found, List<String> known) {
    for (String name : found) {
      if (known.stream().noneMatch(name::equalsIgnoreCase)) {
        throw UsageException.ofFlag(flag, "one of " + String.join(", ", known), "'" + name + "'");
      }
    }
  }
}
