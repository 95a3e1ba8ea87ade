package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.GateRule;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** GGUF metadata of the architectures of {@link GroupedFamily}. */
final class GgufGroupedConfig {
  /** What Llama 3.1's scaling is in a GGUF: divisors of the angles, [D/2]. */
  static final String DIVISORS = "rope_freqs.weight";

  private GgufGroupedConfig() {}

  static DeepseekConfig of(Path file, GroupedFamily family, Map<String, Object> metadata) {
    Keys general = new Keys(file, "", metadata);
    Keys keys = new Keys(file, family.label() + ".", metadata);
    int layers = keys.integer("block_count", 1, ConfigLimits.LAYERS);
    int hidden = keys.integer("embedding_length", 1, ConfigLimits.WIDTH);
    int vocab = GgufConfig.vocabulary(general, keys);
    int heads = keys.integer("attention.head_count", 1, ConfigLimits.HEADS);
    int kvHeads = keys.integerOr("attention.head_count_kv", 1, ConfigLimits.HEADS, heads);
    int head = keys.integerOr("attention.key_length", 2, ConfigLimits.HEAD, hidden / heads);
    refuseOthers(keys, family, head);
    boolean moe = family == GroupedFamily.DEEPSEEK;
    DeepseekConfig config =
        new DeepseekConfig(
            general
                .text("general.name")
                .filter(s -> !s.isBlank())
                .orElse(GgufConfig.fileName(file)),
            hidden,
            vocab,
            layers,
            0,
            keys.integer("context_length", 1, ConfigLimits.CONTEXT),
            family.attention(heads, kvHeads, head),
            keys.integer("feed_forward_length", 1, ConfigLimits.WIDTH),
            moe ? keys.integerOr("leading_dense_block_count", 0, layers, 0) : layers,
            moe ? keys.integer("expert_feed_forward_length", 1, ConfigLimits.WIDTH) : 0,
            moe ? keys.integerOr("expert_shared_count", 0, ConfigLimits.EXPERTS, 0) : 0,
            moe ? gate(keys) : DeepseekConfig.NO_EXPERTS,
            (float) keys.number("attention.layer_norm_rms_epsilon", ConfigLimits.MIN_EPS, 1),
            keys.numberOr("rope.freq_base", ConfigLimits.MIN_THETA, ConfigLimits.MAX_THETA, 10000),
            scaling(keys),
            general.integerOr("tokenizer.ggml.bos_token_id", 0, vocab - 1, -1),
            GgufConfig.eos(general, vocab));
    ConfigLimits.check(file, config);
    return config;
  }

  /** Models of other publishers that are called the same and are not. */
  private static void refuseOthers(Keys keys, GroupedFamily family, int head) {
    same(keys, "attention.value_length", head);
    same(keys, "rope.dimension_count", head);
    refuse(keys, "attention.sliding_window", "sliding windows");
    if (family != GroupedFamily.DEEPSEEK) {
      refuse(keys, "expert_count", "experts, such as Mixtral");
    }
  }

  private static void same(Keys keys, String key, int head) {
    int found = keys.integerOr(key, 0, ConfigLimits.HEAD, head);
    if (found != head) {
      throw keys.refused(
          key,
          head + ", the elements of a head",
          String.valueOf(found),
          "choose a supported model");
    }
  }

  private static void refuse(Keys keys, String key, String what) {
    int found = keys.integerOr(key, 0, Integer.MAX_VALUE, 0);
    if (found != 0) {
      throw keys.refused(
          key,
          "0 or no such key, for a model without " + what,
          String.valueOf(found),
          "choose a supported model");
    }
  }

  /** DeepSeek-MoE's weights are softmax over all experts, and stay as they are. */
  private static GateRule gate(Keys keys) {
    int experts = keys.integer("expert_count", 1, ConfigLimits.EXPERTS);
    double scale = keys.numberOr("expert_weights_scale", 0, 1e6, 1);
    return new GateRule(
        GateRule.Scoring.SOFTMAX,
        experts,
        keys.integer("expert_used_count", 1, experts),
        1,
        1,
        GateRule.GroupScore.MAX,
        keys.flagOr("expert_weights_norm", false),
        scale == 0 ? 1 : (float) scale);
  }

  /**
   * A type that is absent means linear, a factor that is absent 1, as in llama.cpp; files of 2023
   * call the factor {@code rope.scale_linear}.
   */
  private static RopeScaling scaling(Keys keys) {
    double old = keys.numberOr("rope.scale_linear", 0, ConfigLimits.MAX_FACTOR, 1);
    double factor = keys.numberOr("rope.scaling.factor", 0, ConfigLimits.MAX_FACTOR, old);
    String type = keys.text("rope.scaling.type").orElse("linear");
    return switch (type) {
      case "none" -> RopeScaling.NONE;
      case "linear" ->
          factor == 0 || factor == 1 ? RopeScaling.NONE : new RopeScaling.Linear(factor);
      case "yarn" -> GgufConfig.yarn(keys, 1, 0, attention(keys));
      default ->
          throw keys.refused(
              "rope.scaling.type",
              "none, linear or yarn",
              type,
              "convert the model again, or choose another");
    };
  }

  /** Converters write the one or the other, and most files have neither, which says 1. */
  private static double attention(Keys keys) {
    return keys.numberOr(
            "rope.scaling.attn_factor", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR, 1)
        * keys.numberOr(
            "rope.scaling.yarn_attn_factor", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR, 1);
  }

  /** {@code config} with the scaling that a file keeps as a tensor, where it has one. */
  static DeepseekConfig withDivisors(DeepseekConfig config, Map<String, RawTensor> raw) {
    RawTensor divisors = raw.get(DIVISORS);
    if (divisors == null || !(config.attention() instanceof AttentionConfig.Grouped grouped)) {
      return config;
    }
    int pairs = grouped.head() / 2;
    if (divisors.elements() != pairs
        || !divisors.encoding().filter(Encoding.F32::equals).isPresent()) {
      throw refused(divisors, "F32 [" + pairs + "]", divisors.type() + " " + divisors.shape());
    }
    List<Double> by = new ArrayList<>();
    for (int i = 0; i < pairs; i++) {
      float value = divisors.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i);
      if (!(value > 0) || Float.isInfinite(value)) {
        throw refused(divisors, "numbers above 0", value + " for pair " + i);
      }
      by.add((double) value);
    }
    return config.withRopeScaling(new RopeScaling.Divisors(by));
  }

  private static WeightException refused(RawTensor tensor, String expected, String found) {
    return new WeightException(
        tensor.file(), "tensor " + DIVISORS, expected, found, "convert the model again");
  }
}
