package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** GGUF metadata of architecture deepseek4, as llama.cpp and antirez's ds4 write it. */
final class GgufCompressedConfig {
  static final String ARCHITECTURE = "deepseek4";

  /** {@code expert_gating_func} of the square root of softplus. */
  static final int SQRT_SOFTPLUS = 4;

  private GgufCompressedConfig() {}

  static DeepseekConfig of(Path file, Map<String, Object> metadata) {
    Keys general = new Keys(file, "", metadata);
    Keys keys = new Keys(file, ARCHITECTURE + ".", metadata);
    int blocks = keys.integer("block_count", 1, ConfigLimits.LAYERS);
    int mtp = keys.integerOr("nextn_predict_layers", 0, blocks - 1, 0);
    int layers = blocks - mtp;
    int vocab = GgufConfig.vocabulary(general, keys);
    int head = keys.integer("attention.key_length", 2, ConfigLimits.HEAD);
    String index = "attention.indexer.";
    DeepseekConfig config =
        new DeepseekConfig(
            general
                .text("general.name")
                .filter(s -> !s.isBlank())
                .orElse(GgufConfig.fileName(file)),
            keys.integer("embedding_length", 1, ConfigLimits.WIDTH),
            vocab,
            layers,
            mtp,
            keys.integer("context_length", 1, ConfigLimits.CONTEXT),
            new AttentionConfig.Compressed(
                keys.integer("attention.head_count", 1, ConfigLimits.HEADS),
                head,
                keys.integer("rope.dimension_count", 2, ConfigLimits.HEAD),
                keys.integer("attention.q_lora_rank", 1, ConfigLimits.WIDTH),
                keys.integer("attention.output_group_count", 1, ConfigLimits.HEADS),
                keys.integer("attention.output_lora_rank", 1, ConfigLimits.WIDTH),
                keys.integer("attention.sliding_window", 1, ConfigLimits.CONTEXT),
                HfCompressedConfig.ratios(keys, "attention.compress_ratios", layers, mtp),
                new Rope(
                    keys.number(
                        "attention.compress_rope_freq_base",
                        ConfigLimits.MIN_THETA,
                        ConfigLimits.MAX_THETA),
                    scaling(keys)),
                new AttentionConfig.BlockIndexer(
                    keys.integer(index + "head_count", 1, ConfigLimits.HEADS),
                    keys.integer(index + "key_length", 2, ConfigLimits.HEAD),
                    keys.integer(index + "top_k", 1, ConfigLimits.CONTEXT)),
                false),
            0,
            0,
            keys.integer("expert_feed_forward_length", 1, ConfigLimits.WIDTH),
            keys.integerOr("expert_shared_count", 0, ConfigLimits.EXPERTS, 0),
            gate(keys),
            keys.integerOr("hash_layer_count", 0, layers, 0),
            limit(keys),
            Optional.of(
                new HyperConnections(
                    keys.integer("hyper_connection.count", 1, ConfigLimits.STREAMS),
                    keys.integer("hyper_connection.sinkhorn_iterations", 1, ConfigLimits.LAYERS),
                    (float) keys.number("hyper_connection.epsilon", 0, 1))),
            (float) keys.number("attention.layer_norm_rms_epsilon", ConfigLimits.MIN_EPS, 1),
            keys.numberOr("rope.freq_base", ConfigLimits.MIN_THETA, ConfigLimits.MAX_THETA, 10000),
            RopeScaling.NONE,
            general.integerOr("tokenizer.ggml.bos_token_id", 0, vocab - 1, -1),
            GgufConfig.eos(general, vocab));
    same(keys, "attention.value_length", head);
    same(keys, "attention.head_count_kv", 1);
    same(keys, "embedding_length_out", config.stateSize());
    ConfigLimits.check(file, config);
    return config;
  }

  /** What V4 has one value of: another means another model. */
  private static void same(Keys keys, String key, int want) {
    int found = keys.integerOr(key, 0, Integer.MAX_VALUE, want);
    if (found != want) {
      throw keys.refused(key, want + "", found + "", "choose a supported model");
    }
  }

  private static GateRule gate(Keys keys) {
    same(keys, "expert_gating_func", SQRT_SOFTPLUS);
    int groups = keys.integerOr("expert_group_count", 0, ConfigLimits.EXPERTS, 0);
    if (groups > 1) {
      same(keys, "expert_group_count", 1);
    }
    int experts = keys.integer("expert_count", 1, ConfigLimits.EXPERTS);
    double scale = keys.numberOr("expert_weights_scale", 0, 1e6, 1);
    return new GateRule(
        GateRule.Scoring.SQRT_SOFTPLUS,
        experts,
        keys.integer("expert_used_count", 1, experts),
        1,
        1,
        GateRule.GroupScore.MAX,
        keys.flagOr("expert_weights_norm", true),
        scale == 0 ? 1 : (float) scale);
  }

  /** The file has one for each layer, for routed and shared experts; all published are the same. */
  private static float limit(Keys keys) {
    List<Double> routed = limits(keys, "swiglu_clamp_exp");
    List<Double> shared = limits(keys, "swiglu_clamp_shexp");
    double limit = routed.isEmpty() ? 0 : routed.getFirst();
    for (Map.Entry<String, List<Double>> one :
        Map.of("swiglu_clamp_exp", routed, "swiglu_clamp_shexp", shared).entrySet()) {
      if (one.getValue().stream().anyMatch(x -> x != limit)) {
        throw keys.refused(
            one.getKey(),
            limit + " throughout, the first layer's limit of routed experts",
            one.getValue().toString(),
            "choose a supported model");
      }
    }
    return HfCompressedConfig.limit(limit);
  }

  private static List<Double> limits(Keys keys, String key) {
    return keys.numbers(key, 0, ConfigLimits.MAX_FACTOR);
  }

  private static RopeScaling scaling(Keys keys) {
    String type = keys.text("rope.scaling.type").orElse("none");
    return switch (type) {
      case "none" -> RopeScaling.NONE;
      case "yarn" -> GgufConfig.yarn(keys, 0, 0, 1);
      default ->
          throw keys.refused(
              "rope.scaling.type",
              "yarn or none",
              type,
              "convert the model again, or choose another");
    };
  }
}
