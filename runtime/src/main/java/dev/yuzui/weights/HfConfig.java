package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import dev.yuzui.weights.RopeScaling.Yarn;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Hugging Face's config.json. Absent keys mean what the published modeling code takes for them: no
 * YaRN mscale keys, 1 and 0; no scoring_func, sigmoid where topk_method is noaux_tc.
 */
public final class HfConfig {
  /**
   * What DeepSeek's modeling code gives q_a_layernorm and kv_a_layernorm, whatever rms_norm_eps.
   */
  private static final float LATENT_NORM_EPS = 1e-6f;

  private static final Set<String> MODEL_TYPES =
      Set.of(
          "deepseek_v2",
          "deepseek_v3",
          "deepseek_v32",
          HfCompressedConfig.TYPE,
          "kimi_k2",
          "glm4_moe_lite",
          "glm_moe_dsa");

  /** Those with an indexer. */
  private static final Set<String> SPARSE =
      Set.of("deepseek_v32", "glm_moe_dsa", HfCompressedConfig.TYPE);

  private HfConfig() {}

  /**
   * The configuration alone, without weights; {@code mtpLayers} is what config.json announces.
   *
   * @param configJson the file, or the folder that has it
   */
  public static DeepseekConfig read(Path configJson) {
    Path file = Files.isDirectory(configJson) ? configJson.resolve("config.json") : configJson;
    return of(file, Json.object(file));
  }

  /**
   * As {@link #read(Path)}, of a config.json that is no file of its own.
   *
   * @param name of the model, for people
   */
  public static DeepseekConfig read(String name, byte[] configJson) {
    Path file = Path.of(name, "config.json");
    return of(file, Json.object(file, "configuration", configJson));
  }

  static DeepseekConfig of(Path file, Map<String, Object> json) {
    Keys keys = new Keys(file, "", json);
    String type = modelType(keys);
    refuseOtherWeights(keys);
    Optional<GroupedFamily> grouped = GroupedFamily.named(type);
    if (grouped.isPresent()) {
      return HfGroupedConfig.of(file, grouped.get(), keys);
    }
    if (type.equals(HfCompressedConfig.TYPE)) {
      return HfCompressedConfig.of(file, keys);
    }
    refuseWhatDiffers(keys);
    int vocab = keys.integer("vocab_size", 1, ConfigLimits.VOCABULARY);
    int layers = keys.integer("num_hidden_layers", 1, ConfigLimits.LAYERS);
    DeepseekConfig config =
        new DeepseekConfig(
            keys.text("_name_or_path").filter(s -> !s.isBlank()).orElse(nameOf(file, type)),
            keys.integer("hidden_size", 1, ConfigLimits.WIDTH),
            vocab,
            layers,
            keys.integerOr("num_nextn_predict_layers", 0, ConfigLimits.LAYERS, 0),
            keys.integer("max_position_embeddings", 1, ConfigLimits.CONTEXT),
            new AttentionConfig.Latent(
                keys.integer("num_attention_heads", 1, ConfigLimits.HEADS),
                keys.integerOr("q_lora_rank", 0, ConfigLimits.WIDTH, 0),
                keys.integer("kv_lora_rank", 1, ConfigLimits.WIDTH),
                keys.integer("qk_nope_head_dim", 1, ConfigLimits.HEAD),
                keys.integer("qk_rope_head_dim", 2, ConfigLimits.HEAD),
                keys.integer("v_head_dim", 1, ConfigLimits.HEAD),
                LATENT_NORM_EPS,
                indexer(keys, type, layers)),
            keys.integer("intermediate_size", 1, ConfigLimits.WIDTH),
            keys.integerOr("first_k_dense_replace", 0, layers, 0),
            keys.integer("moe_intermediate_size", 1, ConfigLimits.WIDTH),
            keys.integerOr("n_shared_experts", 0, ConfigLimits.EXPERTS, 0),
            gate(keys, type),
            (float) keys.number("rms_norm_eps", ConfigLimits.MIN_EPS, 1),
            theta(keys),
            yarn(keys),
            keys.integerOr("bos_token_id", 0, vocab - 1, -1),
            keys.integers("eos_token_id", 0, vocab - 1));
    ConfigLimits.check(file, config);
    return config;
  }

  static boolean tied(Path file, Map<String, Object> json) {
    return new Keys(file, "", json).flagOr("tie_word_embeddings", false);
  }

  /** Adds the end tokens of generation_config.json, which chat models list there alone. */
  static DeepseekConfig withEos(DeepseekConfig config, Keys generation) {
    Set<Integer> eos = new LinkedHashSet<>(config.eosTokens());
    eos.addAll(generation.integers("eos_token_id", 0, config.vocabSize() - 1));
    return config.withEosTokens(List.copyOf(eos));
  }

  private static String modelType(Keys keys) {
    Optional<String> type = keys.text("model_type");
    if (type.isEmpty()) {
      boolean inference = keys.has("dim") && keys.has("n_layers");
      throw keys.refused(
          "model_type",
          "a Hugging Face config.json",
          inference ? "the configuration of DeepSeek's own inference demo" : "no such key",
          "use the model's Hugging Face folder as it was published");
    }
    if (!MODEL_TYPES.contains(type.get()) && GroupedFamily.named(type.get()).isEmpty()) {
      throw Architectures.unsupported(keys.file(), "model_type", type.get());
    }
    if (keys.has("index_topk") && !SPARSE.contains(type.get())) {
      throw keys.refused(
          "index_topk",
          "no such key beside model_type " + type.get(),
          keys.shown("index_topk"),
          "set model_type to deepseek_v32, if that is what it is");
    }
    return type.get();
  }

  private static Optional<AttentionConfig.Indexer> indexer(Keys keys, String type, int layers) {
    if (!SPARSE.contains(type)) {
      return Optional.empty();
    }
    List<String> types = keys.texts("indexer_types");
    return Optional.of(
        new AttentionConfig.Indexer(
            keys.integer("index_n_heads", 1, ConfigLimits.HEADS),
            keys.integer("index_head_dim", 2, ConfigLimits.HEAD),
            keys.integer("index_topk", 1, ConfigLimits.CONTEXT),
            !keys.flagOr("indexer_rope_interleave", type.equals("glm_moe_dsa")),
            IntStream.range(0, Math.min(layers, types.size()))
                .filter(i -> types.get(i).equals("shared"))
                .boxed()
                .collect(Collectors.toSet())));
  }

  static String nameOf(Path file, String type) {
    Path folder = file.toAbsolutePath().normalize().getParent();
    return folder == null || folder.getFileName() == null ? type : folder.getFileName().toString();
  }

  private static void refuseWhatDiffers(Keys keys) {
    require(keys, "hidden_act", "silu", keys.text("hidden_act").orElse("silu"));
    require(keys, "attention_bias", false, keys.flagOr("attention_bias", false));
    require(keys, "rope_interleave", true, keys.flagOr("rope_interleave", true));
    require(keys, "moe_layer_freq", 1, keys.integerOr("moe_layer_freq", 1, 1 << 20, 1));
    require(keys, "partial_rotary_factor", 1.0, keys.numberOr("partial_rotary_factor", 0, 1, 1));
  }

  private static void refuseOtherWeights(Keys keys) {
    Optional<Keys> quantization = keys.nested("quantization_config");
    quantization.ifPresent(
        q -> {
          String method = q.text("quant_method").orElse("an unnamed method");
          List<Integer> tile = q.integers("weight_block_size", 1, 1 << 20);
          if (!method.equals("fp8")
              || !q.text("fmt").orElse("e4m3").equals("e4m3")
              || !tile.equals(List.of(128, 128))) {
            throw keys.refused(
                "quantization_config",
                "none, or fp8 e4m3 with weight_block_size [128, 128]",
                quantization(q, method, tile),
                "use the publisher's BF16 or FP8 weights, or a GGUF of a few bits (Q4_K_M, IQ4_XS)");
          }
        });
  }

  /** {@code awq, 4 bits in groups of 128}, {@code compressed-tensors pack-quantized, 4 bits}. */
  private static String quantization(Keys q, String method, List<Integer> tile) {
    StringBuilder found = new StringBuilder(method);
    for (String key : List.of("quant_algo", "format", "fmt")) {
      q.text(key).ifPresent(v -> found.append(' ').append(v));
    }
    if (!tile.isEmpty()) {
      found.append(" with weight_block_size ").append(tile);
    }
    Keys weights =
        q.nested("config_groups")
            .flatMap(groups -> groups.nested("group_0"))
            .flatMap(group -> group.nested("weights"))
            .orElse(q);
    List<Integer> bits = weights.integers(weights.equals(q) ? "bits" : "num_bits", 0, 64);
    List<Integer> group = weights.integers("group_size", -1, 1 << 20);
    bits.forEach(n -> found.append(", ").append(n).append(" bits"));
    group.forEach(n -> found.append(" in groups of ").append(n));
    return found.toString();
  }

  static void require(Keys keys, String key, Object want, Object found) {
    if (!want.equals(found)) {
      throw keys.refused(key, want.toString(), found.toString(), "choose a supported model");
    }
  }

  private static GateRule gate(Keys keys, String type) {
    boolean v2 = type.equals("deepseek_v2");
    String method = keys.text("topk_method").orElse(v2 ? "greedy" : "noaux_tc");
    boolean noaux = method.equals("noaux_tc");
    String scoring = keys.text("scoring_func").orElse(noaux ? "sigmoid" : "softmax");
    if (!Set.of("greedy", "group_limited_greedy", "noaux_tc").contains(method)
        || !scoring.equals(noaux ? "sigmoid" : "softmax")) {
      throw keys.refused(
          "topk_method",
          "noaux_tc with sigmoid, or greedy or group_limited_greedy with softmax",
          method + " with " + scoring,
          "choose a supported model");
    }
    int experts = keys.integer("n_routed_experts", 1, ConfigLimits.EXPERTS);
    boolean grouped = !method.equals("greedy");
    return new GateRule(
        noaux ? GateRule.Scoring.SIGMOID : GateRule.Scoring.SOFTMAX,
        experts,
        keys.integer("num_experts_per_tok", 1, experts),
        grouped ? keys.integerOr("n_group", 1, experts, 1) : 1,
        grouped ? keys.integerOr("topk_group", 1, experts, 1) : 1,
        noaux ? GateRule.GroupScore.TOP2_SUM : GateRule.GroupScore.MAX,
        keys.flagOr("norm_topk_prob", noaux),
        (float) keys.numberOr("routed_scaling_factor", 1e-6, 1e6, 1));
  }

  /** rope_theta, or within rope_parameters as newer transformers write it. */
  static double theta(Keys keys) {
    Keys from = keys.has("rope_theta") ? keys : keys.nested("rope_parameters").orElse(keys);
    return from.numberOr("rope_theta", ConfigLimits.MIN_THETA, ConfigLimits.MAX_THETA, 10000);
  }

  /** rope_scaling, or rope_parameters as newer transformers write it. */
  static Optional<Keys> scaling(Keys keys) {
    return keys.nested("rope_scaling").or(() -> keys.nested("rope_parameters"));
  }

  static String scalingType(Keys rope) {
    return rope.text("rope_type").or(() -> rope.text("type")).orElse("default");
  }

  private static RopeScaling yarn(Keys keys) {
    Optional<Keys> given = scaling(keys);
    if (given.isEmpty()) {
      return RopeScaling.NONE;
    }
    Keys rope = given.get();
    String type = scalingType(rope);
    return switch (type) {
      case "default", "none" -> RopeScaling.NONE;
      case "yarn" ->
          yarn(
              rope,
              rope.numberOr("mscale", 0, ConfigLimits.MAX_FACTOR, 1),
              rope.numberOr("mscale_all_dim", 0, ConfigLimits.MAX_FACTOR, 0),
              1);
      default -> throw rope.refused("type", "yarn or none", type, "choose a supported model");
    };
  }

  static Yarn yarn(Keys rope, double mscale, double mscaleAllDim, double attention) {
    return new Yarn(
        rope.number("factor", 1, ConfigLimits.MAX_FACTOR),
        rope.integerOr("original_max_position_embeddings", 1, ConfigLimits.CONTEXT, 4096),
        rope.numberOr("beta_fast", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR, 32),
        rope.numberOr("beta_slow", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR, 1),
        mscale,
        mscaleAllDim,
        attention);
  }
}
