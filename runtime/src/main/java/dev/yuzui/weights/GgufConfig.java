package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import dev.yuzui.weights.RopeScaling.Yarn;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * GGUF metadata of architecture deepseek2, as converters of 2024 to 2026 write it.
 *
 * <p>Head lengths come from the {@code *_mla} keys where present (newer files), else from {@code
 * key_length} and {@code value_length}; {@code head_count_kv} means nothing. Expert groups are
 * absent from files made before October 2025, although the publisher's code always limits V2 to 3
 * of 8 groups and V3 and R1 to 4 of 8: such files are recognised by their experts and layers.
 * {@code block_count} counts the MTP layers.
 */
final class GgufConfig {
  private static final int GLM_FLASH_VOCABULARY = 154880;
  static final int SOFTMAX = 1;
  static final int SIGMOID = 2;

  private static final String GATING = "expert_gating_func";

  private GgufConfig() {}

  /** Biases are not added to softmax scores: they say that the key is wrong or missing. */
  static void requireGatingOf(
      Path file, Map<String, Object> metadata, DeepseekConfig config, Set<String> tensors) {
    Optional<String> bias =
        tensors.stream().filter(n -> n.endsWith("exp_probs_b.bias")).findFirst();
    if (bias.isPresent() && config.gate().scoring() == GateRule.Scoring.SOFTMAX) {
      String prefix = metadata.get("general.architecture") + ".";
      Keys keys = new Keys(file, prefix, metadata);
      throw keys.refused(
          GATING,
          SIGMOID
              + " (sigmoid), since there is "
              + bias.get()
              + ", or "
              + SOFTMAX
              + " (softmax) without such biases",
          keys.shown(GATING),
          override(keys) + SIGMOID + " sets it");
    }
  }

  /** Whether queries and keys lie as {@link Halves} finds them. */
  static boolean halves(Map<String, Object> metadata) {
    return GroupedFamily.named(String.valueOf(metadata.get("general.architecture")))
        .map(GroupedFamily::halvesInGguf)
        .orElse(false);
  }

  static DeepseekConfig of(Path file, Map<String, Object> metadata) {
    Keys general = new Keys(file, "", metadata);
    String architecture = general.text("general.architecture").orElse("no such key");
    Optional<GroupedFamily> grouped = GroupedFamily.named(architecture);
    if (grouped.isPresent()) {
      return GgufGroupedConfig.of(file, grouped.get(), metadata);
    }
    if (architecture.equals(GgufCompressedConfig.ARCHITECTURE)) {
      return GgufCompressedConfig.of(file, metadata);
    }
    if (!Architectures.GGUF.contains(architecture)) {
      throw Architectures.unsupported(file, "general.architecture", architecture);
    }
    Keys keys = new Keys(file, architecture + ".", metadata);
    int blocks = keys.integer("block_count", 1, ConfigLimits.LAYERS);
    int mtp = keys.integerOr("nextn_predict_layers", 0, blocks - 1, 0);
    int layers = blocks - mtp;
    int vocab = vocabulary(general, keys);
    int rope = keys.integer("rope.dimension_count", 2, ConfigLimits.HEAD);
    boolean mla = present(keys, "attention.key_length_mla");
    String suffix = mla ? "_mla" : "";
    int query = keys.integer("attention.key_length" + suffix, rope + 1, ConfigLimits.HEAD);
    float eps = (float) keys.number("attention.layer_norm_rms_epsilon", ConfigLimits.MIN_EPS, 1);
    DeepseekConfig config =
        new DeepseekConfig(
            general.text("general.name").filter(s -> !s.isBlank()).orElse(fileName(file)),
            keys.integer("embedding_length", 1, ConfigLimits.WIDTH),
            vocab,
            layers,
            mtp,
            keys.integer("context_length", 1, ConfigLimits.CONTEXT),
            new AttentionConfig.Latent(
                keys.integer("attention.head_count", 1, ConfigLimits.HEADS),
                keys.integerOr("attention.q_lora_rank", 0, ConfigLimits.WIDTH, 0),
                keys.integer("attention.kv_lora_rank", 1, ConfigLimits.WIDTH),
                query - rope,
                rope,
                keys.integer("attention.value_length" + suffix, 1, ConfigLimits.HEAD),
                eps,
                indexer(keys, architecture, layers)),
            keys.integer("feed_forward_length", 1, ConfigLimits.WIDTH),
            keys.integerOr("leading_dense_block_count", 0, layers, 0),
            keys.integer("expert_feed_forward_length", 1, ConfigLimits.WIDTH),
            keys.integerOr("expert_shared_count", 0, ConfigLimits.EXPERTS, 0),
            gate(keys, layers, vocab),
            eps,
            keys.numberOr("rope.freq_base", ConfigLimits.MIN_THETA, ConfigLimits.MAX_THETA, 10000),
            yarn(keys),
            general.integerOr("tokenizer.ggml.bos_token_id", 0, vocab - 1, -1),
            eos(general, vocab));
    ConfigLimits.check(file, config);
    return config;
  }

  private static Optional<AttentionConfig.Indexer> indexer(
      Keys keys, String architecture, int layers) {
    String prefix = "attention.indexer.";
    if (architecture.equals("deepseek2")) {
      return Optional.empty();
    }
    List<Boolean> has = keys.flags(prefix + "types");
    return Optional.of(
        new AttentionConfig.Indexer(
            keys.integer(prefix + "head_count", 1, ConfigLimits.HEADS),
            keys.integer(prefix + "key_length", 2, ConfigLimits.HEAD),
            keys.integer(prefix + "top_k", 1, ConfigLimits.CONTEXT),
            architecture.equals("deepseek32"),
            IntStream.range(0, Math.min(layers, has.size()))
                .filter(i -> !has.get(i))
                .boxed()
                .collect(Collectors.toSet())));
  }

  private static String override(Keys keys) {
    return "--override-kv " + keys.prefix() + GATING + "=int:";
  }

  private static boolean present(Keys keys, String key) {
    return keys.integerOr(key, 0, ConfigLimits.HEAD, 0) > 0;
  }

  static String fileName(Path file) {
    return String.valueOf(file.getFileName());
  }

  static int vocabulary(Keys general, Keys keys) {
    if (keys.has("vocab_size")) {
      return keys.integer("vocab_size", 1, ConfigLimits.VOCABULARY);
    }
    if (general.values().get("tokenizer.ggml.tokens") instanceof GgufArray tokens
        && tokens.count() > 0
        && tokens.count() <= ConfigLimits.VOCABULARY) {
      return (int) tokens.count();
    }
    throw keys.refused(
        "vocab_size",
        "the number of tokens, or tokenizer.ggml.tokens",
        "neither",
        "convert the model again with a current converter");
  }

  static List<Integer> eos(Keys general, int vocab) {
    Set<Integer> ids = new LinkedHashSet<>();
    for (String key : List.of("eos", "eot", "eom")) {
      ids.addAll(general.integers("tokenizer.ggml." + key + "_token_id", 0, vocab - 1));
    }
    return List.copyOf(ids);
  }

  private static GateRule gate(Keys keys, int layers, int vocab) {
    int experts = keys.integer("expert_count", 1, ConfigLimits.EXPERTS);
    boolean sigmoid = sigmoid(keys, layers, vocab);
    int groups = keys.integerOr("expert_group_count", 0, experts, 0);
    int used = keys.integerOr("expert_group_used_count", 0, experts, 0);
    if (!keys.has("expert_group_count")) {
      if (sigmoid && experts == 256) {
        groups = 8; // V3, R1
        used = 4;
      } else if (!sigmoid && experts == 160 && layers == 60) {
        groups = 8; // V2, V2.5
        used = 3;
      }
    }
    double scale = keys.numberOr("expert_weights_scale", 0, 1e6, 1);
    return new GateRule(
        sigmoid ? GateRule.Scoring.SIGMOID : GateRule.Scoring.SOFTMAX,
        experts,
        keys.integer("expert_used_count", 1, experts),
        Math.max(groups, 1),
        groups > 1 ? used(keys, groups, used) : 1,
        sigmoid ? GateRule.GroupScore.TOP2_SUM : GateRule.GroupScore.MAX,
        keys.flagOr("expert_weights_norm", false),
        scale == 0 ? 1 : (float) scale);
  }

  private static int used(Keys keys, int groups, int used) {
    if (used < 1) {
      throw keys.refused(
          "expert_group_used_count",
          "a number from 1 to " + groups,
          keys.shown("expert_group_used_count"),
          "convert the model again with a current converter");
    }
    return used;
  }

  /** Files of the V2 era name no gating function; of the later models, GLM-4.7-Flash's do not. */
  private static boolean sigmoid(Keys keys, int layers, int vocab) {
    int function = keys.integerOr(GATING, 0, Integer.MAX_VALUE, 0);
    return switch (function) {
      case 0 -> (layers == 47 || layers == 48) && vocab == GLM_FLASH_VOCABULARY;
      case SOFTMAX -> false;
      case SIGMOID -> true;
      default ->
          throw keys.refused(
              GATING,
              "1 (softmax) or 2 (sigmoid)",
              String.valueOf(function),
              override(keys)
                  + SIGMOID
                  + " (or "
                  + SOFTMAX
                  + ") sets it, where the publisher's is known");
    };
  }

  /**
   * The file stores 0.1·mscale_all_dim and no mscale; every published model has the two equal.
   * Without the key the scores stay unscaled and cos and sin take m(1), as in the published code.
   */
  private static RopeScaling yarn(Keys keys) {
    double factor = keys.numberOr("rope.scaling.factor", 0, ConfigLimits.MAX_FACTOR, 1);
    String type = keys.text("rope.scaling.type").orElse(factor > 1 ? "linear" : "none");
    if (type.equals("none") || type.equals("linear") && factor <= 1) {
      return RopeScaling.NONE;
    }
    if (!type.equals("yarn")) {
      throw keys.refused(
          "rope.scaling.type", "yarn or none", type, "convert the model again, or choose another");
    }
    String logKey = "rope.scaling.yarn_log_multiplier";
    double allDim = keys.numberOr(logKey, 0, ConfigLimits.MAX_FACTOR, 0) * 10;
    return yarn(keys, keys.has(logKey) ? allDim : 1, allDim, 1);
  }

  static Yarn yarn(Keys keys, double mscale, double mscaleAllDim, double attention) {
    return new Yarn(
        keys.number("rope.scaling.factor", 1, ConfigLimits.MAX_FACTOR),
        keys.integerOr(
            "rope.scaling.original_context_length",
            1,
            ConfigLimits.CONTEXT,
            keys.integer("context_length", 1, ConfigLimits.CONTEXT)),
        keys.numberOr(
            "rope.scaling.yarn_beta_fast", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR, 32),
        keys.numberOr(
            "rope.scaling.yarn_beta_slow", ConfigLimits.MIN_EPS, ConfigLimits.MAX_FACTOR, 1),
        mscale,
        mscaleAllDim,
        attention);
  }
}
