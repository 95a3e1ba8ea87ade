package dev.yuzui.weights;

import dev.yuzui.io.Texts;
import dev.yuzui.weights.Checkpoint.GenerationDefaults;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;

/** A Hugging Face folder: config.json and safetensors, in one file or sharded with an index. */
final class HfFolder {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final int SHOWN = 5;

  private HfFolder() {}

  static boolean hasWeights(Path folder) {
    return Files.exists(folder.resolve(SINGLE)) || Files.exists(folder.resolve(INDEX));
  }

  /**
   * @param log told what of the folder is left aside
   */
  static Checkpoint open(Path folder, Arena arena, Consumer<String> log) {
    Path configFile = folder.resolve("config.json");
    Map<String, Object> json = Json.object(configFile);
    DeepseekConfig announced = HfConfig.of(configFile, json);
    refuseOtherQuantization(folder);
    TensorNames names = TensorNames.huggingFace(announced);
    Map<String, RawTensor> raw = raw(folder, arena);
    if (names == TensorNames.DEEPSEEK_V4
        && HfCompressedConfig.dspark(new Keys(configFile, "", json))) {
      leaveStages(folder, raw, log);
    }
    Optional<Keys> generation = generation(folder);
    DeepseekConfig present = MtpLayers.present(announced, names, raw);
    DeepseekConfig config = generation.map(g -> HfConfig.withEos(present, g)).orElse(present);
    var bound =
        TensorBinder.bind(
            folder,
            names,
            config,
            HfConfig.tied(configFile, json),
            Halves.parts(config, true),
            raw,
            arena);
    return new MappedCheckpoint(
        new MappedCheckpoint.Description(
            folder,
            "Hugging Face",
            config,
            raw.values().stream().map(RawTensor::stored).toList(),
            metadata(json),
            Vocabularies.huggingFace(folder),
            generation
                .map(g -> Defaults.of(g, "temperature", "repetition_penalty"))
                .orElse(GenerationDefaults.NONE)),
        bound,
        HfAsGguf::of,
        arena);
  }

  /** DSpark's stages draft from states of the main model, which is whole without them. */
  private static void leaveStages(Path folder, Map<String, RawTensor> raw, Consumer<String> log) {
    List<String> stages = raw.keySet().stream().filter(n -> n.startsWith("mtp.")).toList();
    long bytes = stages.stream().mapToLong(n -> raw.get(n).data().byteSize()).sum();
    stages.forEach(raw::remove);
    log.accept(
        folder
            + ": DSpark's "
            + stages.size()
            + " tensors (mtp.*, "
            + Texts.bytes(bytes)
            + ") are left aside: the model makes the same text without them");
  }

  /** What is in the folder, whether or not it runs. */
  static Listing listing(Path folder, Arena arena) {
    Path configFile = folder.resolve("config.json");
    Map<String, Object> json = Json.object(configFile);
    return Listing.of(
        folder,
        "Hugging Face",
        () -> HfConfig.of(configFile, json),
        metadata(json),
        raw(folder, arena).values());
  }

  private static Map<String, RawTensor> raw(Path folder, Arena arena) {
    return Files.exists(folder.resolve(SINGLE)) ? single(folder, arena) : sharded(folder, arena);
  }

  /** NVIDIA's quantisations say so in a file of their own and leave config.json as it was. */
  private static void refuseOtherQuantization(Path folder) {
    Path file = folder.resolve("hf_quant_config.json");
    if (Files.exists(file)) {
      Object method = Json.object(file).get("quantization");
      throw new WeightException(
          file,
          "quantization",
          "BF16 weights, or DeepSeek's FP8 with tiles of 128 × 128",
          String.valueOf(method),
          "use the publisher's BF16 or FP8 weights, or a GGUF");
    }
  }

  private static Map<String, RawTensor> single(Path folder, Arena arena) {
    Map<String, RawTensor> raw = new LinkedHashMap<>();
    Safetensors.read(folder.resolve(SINGLE), arena).forEach(t -> raw.put(t.name(), t));
    return raw;
  }

  private static Map<String, RawTensor> sharded(Path folder, Arena arena) {
    Path index = folder.resolve(INDEX);
    if (!Files.exists(index)) {
      throw new WeightException(
          folder,
          "weights",
          SINGLE + ", or shards with " + INDEX,
          "neither",
          "download the weights beside config.json");
    }
    Map<String, String> shardOf = weightMap(index);
    Map<String, RawTensor> raw = new LinkedHashMap<>();
    Map<String, Path> shards = new TreeMap<>();
    shardOf.values().forEach(shard -> shards.put(shard, shardFile(index, shard)));
    for (Map.Entry<String, Path> shard : shards.entrySet()) {
      for (RawTensor t : Safetensors.read(shard.getValue(), arena)) {
        if (!shard.getKey().equals(shardOf.get(t.name()))) {
          throw new WeightException(
              t.file(),
              "tensor " + t.name(),
              "only tensors that " + INDEX + " places in this shard",
              "one it places " + (shardOf.containsKey(t.name()) ? "elsewhere" : "nowhere"),
              "check that index and shards belong together");
        }
        raw.put(t.name(), t);
      }
    }
    shardOf.forEach(
        (tensor, shard) -> {
          if (!raw.containsKey(tensor)) {
            throw new WeightException(
                index,
                "tensor " + tensor,
                "it in " + shard,
                "no such tensor there",
                "check that index and shards belong together");
          }
        });
    return raw;
  }

  private static Map<String, String> weightMap(Path index) {
    if (!(Json.object(index).get("weight_map") instanceof Map<?, ?> map) || map.isEmpty()) {
      throw new WeightException(
          index,
          "weight_map",
          "an object from tensor to shard",
          "none",
          "download the index again");
    }
    Map<String, String> shardOf = new TreeMap<>();
    map.forEach((tensor, shard) -> shardOf.put((String) tensor, String.valueOf(shard)));
    return shardOf;
  }

  /** A shard is a file of the same folder: an index must not reach anything else. */
  private static Path shardFile(Path index, String shard) {
    boolean plain =
        shard.endsWith(".safetensors")
            && shard.chars().noneMatch(c -> c == '/' || c == '\\' || c < ' ');
    if (!plain) {
      throw new WeightException(
          index,
          "weight_map",
          "names of .safetensors files in the same folder",
          shard,
          "download the index again");
    }
    return index.resolveSibling(shard);
  }

  private static Optional<Keys> generation(Path folder) {
    Path file = folder.resolve("generation_config.json");
    return Files.exists(file)
        ? Optional.of(new Keys(file, "", Json.object(file)))
        : Optional.empty();
  }

  private static Map<String, String> metadata(Map<String, Object> json) {
    Map<String, String> shown = new LinkedHashMap<>();
    json.forEach(
        (key, value) ->
            shown.put(
                key,
                value instanceof List<?> list && list.size() > SHOWN
                    ? list.subList(0, SHOWN) + "… (" + list.size() + ")"
                    : String.valueOf(value)));
    return Collections.unmodifiableMap(shown);
  }
}
