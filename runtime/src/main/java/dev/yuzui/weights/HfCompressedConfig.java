package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** config.json of DeepSeek-V4-Flash and V4-Pro. */
final class HfCompressedConfig {
  static final String TYPE = "deepseek_v4";

  /** What a vision tower adds to the configuration. */
  private static final String VISION = "vision_n_layers";

  /** Keys of DSpark, which drafts from states of the main model's layers. */
  private static final String DSPARK = "dspark_";

  private HfCompressedConfig() {}

  static DeepseekConfig of(Path file, Keys keys) {
    refuseWhatDiffers(keys);
    int vocab = keys.integer("vocab_size", 1, ConfigLimits.VOCABULARY);
    int layers = keys.integer("num_hidden_layers", 1, ConfigLimits.LAYERS);
    int mtp =
        dspark(keys) ? 0 : keys.integerOr("num_nextn_predict_layers", 0, ConfigLimits.LAYERS, 0);
    DeepseekConfig config =
        new DeepseekConfig(
            keys.text("_name_or_path")
                .filter(s -> !s.isBlank())
                .orElse(HfConfig.nameOf(file, TYPE)),
            keys.integer("hidden_size", 1, ConfigLimits.WIDTH),
            vocab,
            layers,
            mtp,
            keys.integer("max_position_embeddings", 1, ConfigLimits.CONTEXT),
            new AttentionConfig.Compressed(
                keys.integer("num_attention_heads", 1, ConfigLimits.HEADS),
                keys.integer("head_dim", 2, ConfigLimits.HEAD),
                keys.integer("qk_rope_head_dim", 2, ConfigLimits.HEAD),
                keys.integer("q_lora_rank", 1, ConfigLimits.WIDTH),
                keys.integer("o_groups", 1, ConfigLimits.HEADS),
                keys.integer("o_lora_rank", 1, ConfigLimits.WIDTH),
                keys.integer("sliding_window", 1, ConfigLimits.CONTEXT),
                ratios(keys, "compress_ratios", layers, mtp),
                new Rope(
                    keys.number(
                        "compress_rope_theta", ConfigLimits.MIN_THETA, ConfigLimits.MAX_THETA),
                    scaling(keys)),
                new AttentionConfig.BlockIndexer(
                    keys.integer("index_n_heads", 1, ConfigLimits.HEADS),
                    keys.integer("index_head_dim", 2, ConfigLimits.HEAD),
                    keys.integer("index_topk", 1, ConfigLimits.CONTEXT)),
                false),
            0,
            0,
            keys.integer("moe_intermediate_size", 1, ConfigLimits.WIDTH),
            keys.integerOr("n_shared_experts", 0, ConfigLimits.EXPERTS, 0),
            gate(keys),
            keys.integerOr("num_hash_layers", 0, layers, 0),
            limit(keys.numberOr("swiglu_limit", 0, ConfigLimits.MAX_FACTOR, 0)),
            Optional.of(
                new HyperConnections(
                    keys.integer("hc_mult", 1, ConfigLimits.STREAMS),
                    keys.integer("hc_sinkhorn_iters", 1, ConfigLimits.LAYERS),
                    (float) keys.number("hc_eps", 0, 1))),
            (float) keys.number("rms_norm_eps", ConfigLimits.MIN_EPS, 1),
            HfConfig.theta(keys),
            RopeScaling.NONE,
            keys.integerOr("bos_token_id", 0, vocab - 1, -1),
            keys.integers("eos_token_id", 0, vocab - 1));
    ConfigLimits.check(file, config);
    return config;
  }

  /** Whether what follows the layers are DSpark's stages, not MTP layers. */
  static boolean dspark(Keys keys) {
    return keys.values().keySet().stream().anyMatch(key -> key.startsWith(DSPARK));
  }

  /** One for each layer; published lists go on, for MTP layers and stages of DSpark. */
  static List<Integer> ratios(Keys keys, String key, int layers, int mtp) {
    List<Integer> all = keys.integers(key, 0, ConfigLimits.CONTEXT);
    if (all.size() < layers) {
      throw keys.refused(
          key,
          "a ratio for each of the " + layers + " layers",
          all.size() + "",
          "use the configuration as its publisher made it");
    }
    List<Integer> behind = all.subList(layers, Math.min(all.size(), layers + mtp));
    if (behind.stream().anyMatch(ratio -> ratio != 0)) {
      throw keys.refused(key, "0 for MTP layers", behind + "", "choose a supported model");
    }
    return List.copyOf(all.subList(0, layers));
  }

  /** 0 stands for none. */
  static float limit(double given) {
    return given > 0 ? (float) given : DeepseekConfig.UNLIMITED;
  }

  private static void refuseWhatDiffers(Keys keys) {
    if (keys.has(VISION)) {
      throw keys.refused(
          VISION,
          "no such key: DeepSeek-V4-Flash or V4-Pro",
          keys.shown(VISION) + " (DeepSeek-V4-Flash-Vision-Exp, which sees images)",
          "choose a model of text alone, such as DeepSeek-V4-Flash");
    }
    HfConfig.require(keys, "hidden_act", "silu", keys.text("hidden_act").orElse("silu"));
    HfConfig.require(keys, "attention_bias", false, keys.flagOr("attention_bias", false));
    HfConfig.require(
        keys,
        "num_key_value_heads",
        1,
        keys.integerOr("num_key_value_heads", 1, ConfigLimits.HEADS, 1));
    HfConfig.require(keys, "topk_method", "noaux_tc", keys.text("topk_method").orElse("noaux_tc"));
    HfConfig.require(
        keys, "scoring_func", "sqrtsoftplus", keys.text("scoring_func").orElse("sqrtsoftplus"));
    HfConfig.require(keys, "n_group", 1, keys.integerOr("n_group", 0, ConfigLimits.EXPERTS, 1));
  }

  private static GateRule gate(Keys keys) {
    int experts = keys.integer("n_routed_experts", 1, ConfigLimits.EXPERTS);
    return new GateRule(
        GateRule.Scoring.SQRT_SOFTPLUS,
        experts,
        keys.integer("num_experts_per_tok", 1, experts),
        1,
        1,
        GateRule.GroupScore.MAX,
        keys.flagOr("norm_topk_prob", true),
        (float) keys.numberOr("routed_scaling_factor", 1e-6, 1e6, 1));
  }

  /** YaRN's frequencies; neither cos and sin nor scores are scaled. */
  private static RopeScaling scaling(Keys keys) {
    Optional<Keys> given = HfConfig.scaling(keys);
    if (given.isEmpty()) {
      return RopeScaling.NONE;
    }
    Keys rope = given.get();
    String type = HfConfig.scalingType(rope);
    return switch (type) {
      case "default", "none" -> RopeScaling.NONE;
      case "yarn" -> HfConfig.yarn(rope, 0, 0, 1);
      default -> throw rope.refused("type", "yarn or none", type, "choose a supported model");
    };
  }
}
