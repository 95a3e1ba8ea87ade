package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.GateRule.GroupScore;
import dev.yuzui.spi.GateRule.Scoring;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** config.json: what absent keys mean, and what is refused. */
class HfConfigTest {
  private static final Path FILE = Path.of("tiny", "config.json");

  private static DeepseekConfig with(Consumer<Map<String, Object>> change) {
    Map<String, Object> config = TinyModel.V3.config();
    change.accept(config);
    return HfConfig.of(FILE, config);
  }

  private static DeepseekConfig with(String key, Object value) {
    return with(c -> c.put(key, value));
  }

  private static String refusal(String key, Object value) {
    var e = assertThrows(WeightException.class, () -> with(key, value));
    assertTrue(e.getMessage().contains("config.json"), e.getMessage());
    return e.getMessage();
  }

  private static DeepseekConfig withRope(String key, Object value) {
    return with(
        c -> {
          @SuppressWarnings("unchecked")
          var rope = (Map<String, Object>) c.get("rope_scaling");
          rope.put(key, value);
        });
  }

  @Test
  void absentScoringFollowsTheMethod() {
    assertEquals(Scoring.SIGMOID, with(c -> c.remove("scoring_func")).gate().scoring());
    var v2 =
        with(
            c -> {
              c.put("model_type", "deepseek_v2");
              c.put("topk_method", "group_limited_greedy");
              c.remove("scoring_func");
            });
    assertEquals(Scoring.SOFTMAX, v2.gate().scoring());
    assertEquals(GroupScore.MAX, v2.gate().groupScore());
    assertEquals(2, v2.gate().groups());
  }

  @Test
  void greedyHasNoGroupsWhateverTheConfigSays() {
    var c =
        with(
            m -> {
              m.put("model_type", "deepseek_v2");
              m.put("topk_method", "greedy");
              m.put("scoring_func", "softmax");
              m.put("n_group", 4);
            });
    assertEquals(1, c.gate().groups());
  }

  @Test
  void yarnWithoutMscaleKeysLeavesTheScoresUnscaled() {
    var c =
        with(
            "rope_scaling",
            Map.of("type", "yarn", "factor", 40, "original_max_position_embeddings", 64));
    assertEquals(1 / Math.sqrt(TinyModel.P + TinyModel.R), c.softmaxScale(), 1e-12);
    assertEquals(1 + 0.1 * Math.log(40), c.ropeFactor(), 1e-12);
  }

  @Test
  void newerTransformersNestTheTheta() {
    var c =
        with(
            m -> {
              m.remove("rope_theta");
              m.remove("rope_scaling");
              m.put("rope_parameters", Map.of("rope_type", "default", "rope_theta", 50000.0));
            });
    assertEquals(50000, c.ropeTheta());
    assertEquals(RopeScaling.NONE, c.ropeScaling());
  }

  @Test
  void endTokensAreOneOrSeveral() {
    assertEquals(List.of(1), with("eos_token_id", 1).eosTokens());
    assertEquals(List.of(1, 5), with("eos_token_id", List.of(1, 5)).eosTokens());
    assertEquals(List.of(), with("eos_token_id", null).eosTokens());
  }

  @Test
  void theNameIsTheFolders() {
    assertEquals("tiny", with(_ -> {}).name());
  }

  @Test
  void otherQuantisationsAreRefusedByName() {
    var nvfp4 = Map.of("quant_method", "modelopt", "quant_algo", "NVFP4");
    assertTrue(refusal("quantization_config", nvfp4).contains("modelopt NVFP4"));
    assertTrue(refusal("quantization_config", Map.of("quant_method", "awq")).contains("awq"));
    var gptq = Map.of("quant_method", "gptq", "bits", 4, "group_size", 128);
    assertTrue(refusal("quantization_config", gptq).contains("gptq, 4 bits in groups of 128"));
    var int4 =
        Map.of(
            "quant_method",
            "compressed-tensors",
            "format",
            "pack-quantized",
            "config_groups",
            Map.of("group_0", Map.of("weights", Map.of("num_bits", 4, "group_size", 32))));
    assertTrue(
        refusal("quantization_config", int4)
            .contains("compressed-tensors pack-quantized, 4 bits in groups of 32"));
    var wide = Map.of("quant_method", "fp8", "weight_block_size", List.of(1, 128));
    assertTrue(refusal("quantization_config", wide).contains("[1, 128]"));
    with(
        "quantization_config",
        Map.of("quant_method", "fp8", "fmt", "e4m3", "weight_block_size", List.of(128, 128)));
  }

  @ParameterizedTest
  @CsvSource({
    "attention_bias, true",
    "rope_interleave, false",
    "moe_layer_freq, 2",
    "hidden_act, gelu",
    "scoring_func, softmax",
    "topk_method, aux_loss",
    "index_topk, 2048",
    "model_type, deepseek_v9"
  })
  void variantsThatComputeOtherwiseAreRefused(String key, String json) {
    Object value =
        switch (json) {
          case "true", "false" -> Boolean.valueOf(json);
          case String s when s.chars().allMatch(Character::isDigit) -> Integer.valueOf(s);
          default -> json;
        };
    refusal(key, value);
  }

  @ParameterizedTest
  @CsvSource({
    "hidden_size, 0",
    "hidden_size, -7168",
    "hidden_size, 9999999999",
    "num_hidden_layers, 0",
    "num_attention_heads, 4097",
    "kv_lora_rank, 0",
    "q_lora_rank, -1",
    "qk_rope_head_dim, 3",
    "n_group, 3",
    "topk_group, 3",
    "num_experts_per_tok, 5",
    "num_experts_per_tok, 3",
    "n_shared_experts, -1",
    "first_k_dense_replace, 3",
    "bos_token_id, 40",
    "eos_token_id, -2",
    "vocab_size, 16777217",
    "max_position_embeddings, 0"
  })
  void nonsenseIsRefusedByKey(String key, long value) {
    refusal(key, value);
  }

  @ParameterizedTest
  @CsvSource({"rms_norm_eps, 0", "rms_norm_eps, NaN", "rope_theta, 1", "routed_scaling_factor, 0"})
  void nonsenseNumbersAreRefusedByKey(String key, double value) {
    refusal(key, value);
  }

  @Test
  void fractionsTextsAndListsAreNoWholeNumbers() {
    refusal("hidden_size", 32.5);
    refusal("hidden_size", "32");
    refusal("hidden_size", List.of(32));
    refusal("eos_token_id", List.of(1, "2"));
    refusal("rope_scaling", "yarn");
  }

  @Test
  void otherRopeScalingsAreRefusedByName() {
    for (String type : List.of("linear", "dynamic", "llama3", "longrope")) {
      var e = assertThrows(WeightException.class, () -> withRope("type", type));
      assertTrue(
          e.getMessage().contains("rope_scaling.type: expected yarn or none, found " + type));
    }
    assertThrows(WeightException.class, () -> withRope("factor", 0.5));
    assertThrows(WeightException.class, () -> withRope("beta_fast", 0.5));
    assertThrows(WeightException.class, () -> withRope("original_max_position_embeddings", 0));
  }

  @Test
  void requiredKeysAreNamed() {
    for (String key : List.of("hidden_size", "kv_lora_rank", "vocab_size", "num_experts_per_tok")) {
      var e = assertThrows(WeightException.class, () -> with(c -> c.remove(key)));
      assertTrue(e.getMessage().contains(key), e.getMessage());
    }
  }
}
