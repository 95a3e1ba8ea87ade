package dev.yuzui.weights;

import dev.yuzui.weights.Checkpoint.GenerationDefaults;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A model in one GGUF file, or split over several. */
final class GgufModel {
  private static final Pattern SPLIT = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

  private GgufModel() {}

  static Checkpoint open(
      Path path, Arena arena, MetadataOverrides overrides, Consumer<String> log) {
    List<GgufFile> parts = parts(path, arena);
    GgufFile first = parts.getFirst();
    Map<String, RawTensor> raw = new LinkedHashMap<>();
    for (GgufFile part : parts) {
      for (RawTensor t : part.tensors()) {
        RawTensor twin = raw.putIfAbsent(t.name(), t);
        if (twin != null) {
          throw new WeightException(
              t.file(),
              "tensor " + t.name(),
              "each tensor once",
              "it in " + twin.file().getFileName() + " too",
              "check that the parts belong together");
        }
      }
    }
    GgmlTypes.requireEncodings(raw.values());
    List<RawTensor> own = List.copyOf(raw.values());
    Map<String, Object> metadata = overrides.applied(first.path(), first.metadata(), log);
    DeepseekConfig announced = withMtpFile(first.path(), metadata, raw, arena, log);
    DeepseekConfig config =
        GgufGroupedConfig.withDivisors(MtpLayers.present(announced, TensorNames.GGUF, raw), raw);
    GgufConfig.requireGatingOf(first.path(), metadata, config, raw.keySet());
    var bound =
        TensorBinder.bind(
            first.path(),
            TensorNames.GGUF,
            config,
            true,
            Halves.parts(config, GgufConfig.halves(metadata)),
            raw,
            arena);
    VocabularySource vocabulary = Vocabularies.gguf(first.path(), metadata);
    if (vocabulary instanceof VocabularySource.Gguf v && v.tokens().size() > config.vocabSize()) {
      throw new WeightException(
          first.path(),
          "tokenizer.ggml.tokens",
          "at most " + config.vocabSize() + " tokens, the rows of token_embd.weight",
          v.tokens().size() + "",
          "convert the model again");
    }
    return new MappedCheckpoint(
        new MappedCheckpoint.Description(
            path,
            "GGUF v" + first.version(),
            config,
            raw.values().stream().map(RawTensor::stored).toList(),
            shown(metadata),
            vocabulary,
            defaults(first.path(), metadata)),
        bound,
        checkpoint -> GgufAsGguf.of(checkpoint, first, own),
        arena);
  }

  /**
   * DeepSeek-V4's MTP layer is in a file of its own.
   *
   * @param raw the main file's tensors, to which that file's are added
   */
  private static DeepseekConfig withMtpFile(
      Path file,
      Map<String, Object> metadata,
      Map<String, RawTensor> raw,
      Arena arena,
      Consumer<String> log) {
    DeepseekConfig config = GgufConfig.of(file, metadata);
    if (!(config.attention() instanceof AttentionConfig.Compressed)) {
      return config;
    }
    String block = TensorNames.GGUF.layerPrefix(0);
    if (raw.keySet().stream().noneMatch(name -> name.startsWith(block))) {
      throw new WeightException(
          file,
          "tensors",
          "the layers of a DeepSeek-V4, from " + block + "* on",
          "none: this file has the MTP layer alone",
          "give the main model's file; this one is found beside it");
    }
    Optional<MtpFile> mtp =
        config.mtpLayers() == 0
            ? MtpFile.beside(file, config.layers(), arena, log)
            : Optional.empty();
    mtp.ifPresent(
        m -> {
          GgmlTypes.requireEncodings(m.tensors().values());
          raw.putAll(m.tensors());
        });
    return mtp.map(m -> config.withMtpLayers(m.layers())).orElse(config);
  }

  /** What is in the file, whether or not it runs. */
  static Listing listing(Path path, Arena arena) {
    List<GgufFile> parts = parts(path, arena);
    GgufFile first = parts.getFirst();
    return Listing.of(
        path,
        "GGUF v" + first.version(),
        () -> GgufConfig.of(first.path(), first.metadata()),
        shown(first.metadata()),
        parts.stream().flatMap(part -> part.tensors().stream()).toList());
  }

  private static Map<String, String> shown(Map<String, Object> metadata) {
    Map<String, String> shown = new LinkedHashMap<>();
    metadata.forEach((k, v) -> shown.put(k, v.toString()));
    return Collections.unmodifiableMap(shown);
  }

  /** All parts in order, whichever of them {@code path} is. */
  private static List<GgufFile> parts(Path path, Arena arena) {
    GgufFile given = GgufFile.read(path, arena);
    int count = new Keys(path, "", given.metadata()).integerOr("split.count", 0, 99999, 0);
    Matcher name = SPLIT.matcher(path.getFileName().toString());
    if (count <= 1 && (!name.matches() || name.group(3).equals("00001"))) {
      return List.of(given);
    }
    if (!name.matches() || Integer.parseInt(name.group(3)) != count) {
      throw new WeightException(
          path,
          "split.count",
          "file names that end in -00001-of-000NN.gguf with the file's own count",
          count + " parts",
          "give the parts the names they were published under");
    }
    List<GgufFile> parts = new ArrayList<>();
    int tensors = 0;
    for (int i = 0; i < count; i++) {
      Path sibling =
          path.resolveSibling("%s-%05d-of-%05d.gguf".formatted(name.group(1), i + 1, count));
      if (!Files.exists(sibling)) {
        throw new WeightException(
            sibling,
            "file",
            "all " + count + " parts of the model",
            "no such file",
            "download the missing part into the same folder");
      }
      GgufFile part =
          sibling.getFileName().equals(path.getFileName()) ? given : GgufFile.read(sibling, arena);
      requireSplit(part, "split.no", i);
      requireSplit(part, "split.count", count);
      tensors += part.tensors().size();
      parts.add(part);
    }
    if (parts.getFirst().metadata().containsKey("split.tensors.count")) {
      requireSplit(parts.getFirst(), "split.tensors.count", tensors);
    }
    return parts;
  }

  private static void requireSplit(GgufFile part, String key, int want) {
    Keys keys = new Keys(part.path(), "", part.metadata());
    int found = keys.integer(key, 0, Integer.MAX_VALUE);
    if (found != want) {
      throw keys.refused(key, want + "", found + "", "check that the parts belong together");
    }
  }

  private static GenerationDefaults defaults(Path file, Map<String, Object> metadata) {
    return Defaults.of(new Keys(file, "general.sampling.", metadata), "temp", "penalty_repeat");
  }

  /** The vocabulary of a GGUF of any architecture, with or without weights. */
  static VocabularySource vocabulary(Path path, MetadataOverrides overrides, Consumer<String> log) {
    try (Arena arena = Arena.ofShared()) {
      Map<String, Object> metadata = GgufFile.read(path, arena).metadata();
      return Vocabularies.gguf(path, overrides.applied(path, metadata, log));
    }
  }

  /**
   * The GGUF file of a folder: its only one, or the first part of its only split one. One that has
   * an MTP layer alone comes with it.
   */
  static Optional<Path> only(List<Path> files) {
    boolean other = files.stream().anyMatch(f -> !MtpFile.named(f));
    List<Path> models =
        files.stream()
            .filter(f -> !other || !MtpFile.named(f))
            .filter(
                f -> {
                  Matcher m = SPLIT.matcher(f.getFileName().toString());
                  return !m.matches() || m.group(2).equals("00001");
                })
            .toList();
    return models.size() == 1 ? Optional.of(models.getFirst()) : Optional.empty();
  }
}
