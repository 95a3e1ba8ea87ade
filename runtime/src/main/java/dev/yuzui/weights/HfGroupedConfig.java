package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** config.json of the architectures of {@link GroupedFamily}. */
final class HfGroupedConfig {
  private HfGroupedConfig() {}

  static DeepseekConfig of(Path file, GroupedFamily family, Keys keys) {
    refuseOthers(keys, family);
    int vocab = keys.integer("vocab_size", 1, ConfigLimits.VOCABULARY);
    int layers = keys.integer("num_hidden_layers", 1, ConfigLimits.LAYERS);
    int hidden = keys.integer("hidden_size", 1, ConfigLimits.WIDTH);
    int heads = keys.integer("num_attention_heads", 1, ConfigLimits.HEADS);
    int kvHeads = keys.integerOr("num_key_value_heads", 1, ConfigLimits.HEADS, heads);
    boolean moe = family == GroupedFamily.DEEPSEEK && keys.has("n_routed_experts");
    DeepseekConfig config =
        new DeepseekConfig(
            keys.text("_name_or_path")
                .filter(s -> !s.isBlank())
                .orElse(HfConfig.nameOf(file, family.label())),
            hidden,
            vocab,
            layers,
            0,
            keys.integer("max_position_embeddings", 1, ConfigLimits.CONTEXT),
            family.attention(
                heads, kvHeads, keys.integerOr("head_dim", 2, ConfigLimits.HEAD, hidden / heads)),
            keys.integer("intermediate_size", 1, ConfigLimits.WIDTH),
            moe ? keys.integerOr("first_k_dense_replace", 0, layers, 0) : layers,
            moe ? keys.integer("moe_intermediate_size", 1, ConfigLimits.WIDTH) : 0,
            moe ? keys.integerOr("n_shared_experts", 0, ConfigLimits.EXPERTS, 0) : 0,
            moe ? gate(keys) : DeepseekConfig.NO_EXPERTS,
            (float) keys.number("rms_norm_eps", ConfigLimits.MIN_EPS, 1),
            HfConfig.theta(keys),
            scaling(keys),
            keys.integerOr("bos_token_id", 0, vocab - 1, -1),
            keys.integers("eos_token_id", 0, vocab - 1));
    ConfigLimits.check(file, config);
    return config;
  }

  /** Models of other publishers that are called the same and are not. */
  private static void refuseOthers(Keys keys, GroupedFamily family) {
    HfConfig.require(keys, "hidden_act", "silu", keys.text("hidden_act").orElse("silu"));
    HfConfig.require(keys, "mlp_bias", false, keys.flagOr("mlp_bias", false));
    HfConfig.require(keys, "moe_layer_freq", 1, keys.integerOr("moe_layer_freq", 1, 1 << 20, 1));
    HfConfig.require(
        keys, "partial_rotary_factor", 1.0, keys.numberOr("partial_rotary_factor", 0, 1, 1));
    // a width of windows beside this flag means nothing
    HfConfig.require(keys, "use_sliding_window", false, keys.flagOr("use_sliding_window", false));
    if (keys.values().get("layer_types") instanceof List<?> types) {
      types.stream()
          .filter(type -> !"full_attention".equals(type))
          .findFirst()
          .ifPresent(
              type -> HfConfig.require(keys, "layer_types", "full_attention throughout", type));
    }
    for (String experts : List.of("num_local_experts", "num_experts")) {
      HfConfig.require(keys, experts, 0, keys.integerOr(experts, 0, ConfigLimits.EXPERTS, 0));
    }
    if (family == GroupedFamily.DEEPSEEK) {
      HfConfig.require(
          keys, "scoring_func", "softmax", keys.text("scoring_func").orElse("softmax"));
    }
  }

  private static GateRule gate(Keys keys) {
    int experts = keys.integer("n_routed_experts", 1, ConfigLimits.EXPERTS);
    return new GateRule(
        GateRule.Scoring.SOFTMAX,
        experts,
        keys.integer("num_experts_per_tok", 1, experts),
        1,
        1,
        GateRule.GroupScore.MAX,
        keys.flagOr("norm_topk_prob", false),
        (float) keys.numberOr("routed_scaling_factor", 1e-6, 1e6, 1));
  }

  private static RopeScaling scaling(Keys keys) {
    Optional<Keys> given = HfConfig.scaling(keys);
    if (given.isEmpty()) {
      return RopeScaling.NONE;
    }
    Keys rope = given.get();
    String type = HfConfig.scalingType(rope);
    return switch (type) {
      case "default", "none" -> RopeScaling.NONE;
      case "linear" -> new RopeScaling.Linear(rope.number("factor", 1, ConfigLimits.MAX_FACTOR));
      case "llama3" ->
          new RopeScaling.Llama3(
              rope.number("factor", 1, ConfigLimits.MAX_FACTOR),
              rope.number("low_freq_factor", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR),
              rope.number("high_freq_factor", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR),
              rope.integer("original_max_position_embeddings", 1, ConfigLimits.CONTEXT));
      case "yarn" -> yarn(rope);
      default ->
          throw rope.refused(
              "type", "linear, llama3, yarn or none", type, "choose a supported model");
    };
  }

  /**
   * R1-0528-Qwen3 says {@code attn_factor} 1/(1 + 0.1·ln 4), which cancels YaRN's own to 1: what
   * vLLM and SGLang, which its publisher names, made of it. transformers ignores the key. {@code
   * attention_factor} stands for the product.
   */
  private static RopeScaling yarn(Keys rope) {
    RopeScaling.Yarn yarn =
        HfConfig.yarn(
            rope,
            1,
            0,
            rope.numberOr("attn_factor", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR, 1));
    if (!rope.has("attention_factor")) {
      return yarn;
    }
    double whole = rope.number("attention_factor", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR);
    return HfConfig.yarn(rope, 0, 0, whole);
  }
}
