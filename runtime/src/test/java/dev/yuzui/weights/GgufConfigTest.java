package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.GateRule;
import dev.yuzui.spi.GateRule.GroupScore;
import dev.yuzui.spi.GateRule.Scoring;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** GGUF metadata as converters of three years wrote it. */
class GgufConfigTest {
  private static final Path FILE = Path.of("model.gguf");

  /** V3 as a current converter writes it. */
  private static Map<String, Object> v3() {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("general.architecture", "deepseek2");
    m.put("tokenizer.ggml.bos_token_id", 0L);
    m.put("tokenizer.ggml.eos_token_id", 1L);
    Map<String, Object> keys = new LinkedHashMap<>();
    keys.put("vocab_size", 129280L);
    keys.put("context_length", 163840L);
    keys.put("embedding_length", 7168L);
    keys.put("block_count", 61L);
    keys.put("leading_dense_block_count", 3L);
    keys.put("feed_forward_length", 18432L);
    keys.put("expert_feed_forward_length", 2048L);
    keys.put("expert_count", 256L);
    keys.put("expert_used_count", 8L);
    keys.put("expert_shared_count", 1L);
    keys.put("expert_weights_scale", 2.5);
    keys.put("expert_weights_norm", true);
    keys.put("expert_gating_func", 2L);
    keys.put("expert_group_count", 8L);
    keys.put("expert_group_used_count", 4L);
    keys.put("attention.head_count", 128L);
    keys.put("attention.head_count_kv", 1L);
    keys.put("attention.q_lora_rank", 1536L);
    keys.put("attention.kv_lora_rank", 512L);
    keys.put("attention.key_length", 576L);
    keys.put("attention.value_length", 512L);
    keys.put("attention.key_length_mla", 192L);
    keys.put("attention.value_length_mla", 128L);
    keys.put("attention.layer_norm_rms_epsilon", 1e-6);
    keys.put("rope.dimension_count", 64L);
    keys.put("rope.freq_base", 10000.0);
    keys.put("rope.scaling.type", "yarn");
    keys.put("rope.scaling.factor", 40.0);
    keys.put("rope.scaling.original_context_length", 4096L);
    keys.put("rope.scaling.yarn_log_multiplier", 0.1);
    keys.forEach((k, v) -> m.put("deepseek2." + k, v));
    return m;
  }

  private static DeepseekConfig with(Consumer<Map<String, Object>> change) {
    Map<String, Object> metadata = v3();
    change.accept(metadata);
    return GgufConfig.of(FILE, metadata);
  }

  private static DeepseekConfig with(String key, Object value) {
    return with(m -> m.put("deepseek2." + key, value));
  }

  private static DeepseekConfig without(String... keys) {
    return with(m -> List.of(keys).forEach(k -> m.remove("deepseek2." + k)));
  }

  @Test
  void v3AsCurrentConvertersWriteIt() {
    DeepseekConfig c = with(_ -> {});
    assertEquals(0.135234, c.softmaxScale(), 5e-7);
    assertEquals(
        List.of(128, 64, 128), List.of(latent(c).nope(), latent(c).rope(), latent(c).value()));
    assertEquals(
        new GateRule(Scoring.SIGMOID, 256, 8, 8, 4, GroupScore.TOP2_SUM, true, 2.5f), c.gate());
    assertEquals(671.03, Parameters.of(c).total() / 1e9, 0.005);
    assertEquals(List.of(1), c.eosTokens());
  }

  @Test
  void olderFilesGiveHeadLengthsThemselves() {
    DeepseekConfig old =
        with(
            m -> {
              m.remove("deepseek2.attention.key_length_mla");
              m.remove("deepseek2.attention.value_length_mla");
              m.put("deepseek2.attention.key_length", 192L);
              m.put("deepseek2.attention.value_length", 128L);
              m.put("deepseek2.attention.head_count_kv", 128L);
            });
    assertEquals(with(_ -> {}), old);
  }

  @Test
  void filesWithoutGroupKeysLimitAsTheirPublisherDoes() {
    GateRule v3 = without("expert_group_count", "expert_group_used_count").gate();
    assertEquals(List.of(8, 4), List.of(v3.groups(), v3.groupsUsed()));
    GateRule v2 =
        with(m -> {
              m.remove("deepseek2.expert_group_count");
              m.remove("deepseek2.expert_group_used_count");
              m.remove("deepseek2.expert_gating_func");
              m.put("deepseek2.expert_count", 160L);
              m.put("deepseek2.expert_used_count", 6L);
              m.put("deepseek2.block_count", 60L);
            })
            .gate();
    assertEquals(List.of(8, 3), List.of(v2.groups(), v2.groupsUsed()));
    assertEquals(GroupScore.MAX, v2.groupScore());
    GateRule kimi =
        with(m -> {
              m.remove("deepseek2.expert_group_count");
              m.put("deepseek2.expert_count", 384L);
            })
            .gate();
    assertEquals(1, kimi.groups());
    assertEquals(1, with("expert_group_count", 0L).gate().groups(), "a stated zero is no absence");
  }

  @Test
  void anAbsentGatingFunctionIsSoftmaxExceptInGlmFlash() {
    assertEquals(Scoring.SOFTMAX, without("expert_gating_func").gate().scoring());
    assertEquals(Scoring.SOFTMAX, with("expert_gating_func", 0L).gate().scoring());
    DeepseekConfig glm =
        with(
            m -> {
              m.remove("deepseek2.expert_gating_func");
              m.put("deepseek2.block_count", 48L);
              m.put("deepseek2.nextn_predict_layers", 1L);
              m.put("deepseek2.vocab_size", 154880L);
            });
    assertEquals(Scoring.SIGMOID, glm.gate().scoring());
    assertEquals(List.of(47, 1), List.of(glm.layers(), glm.mtpLayers()));
  }

  @Test
  void aScaleOfZeroOrNoneIsOne() {
    assertEquals(1f, with("expert_weights_scale", 0.0).gate().scale());
    assertEquals(1f, without("expert_weights_scale").gate().scale());
  }

  @Test
  void aZeroQueryRankIsAPlainProjection() {
    assertEquals(0, latent(with("attention.q_lora_rank", 0L)).qLoraRank());
    assertEquals(0, latent(without("attention.q_lora_rank")).qLoraRank());
  }

  @Test
  void normsOfTheLatentsTakeTheFilesEps() {
    assertEquals(1e-5f, latent(with("attention.layer_norm_rms_epsilon", 1e-5)).normEps());
  }

  @Test
  void yarnBetasAreReadWhereWritten() {
    var yarn = (RopeScaling.Yarn) with("rope.scaling.yarn_beta_fast", 1.0).ropeScaling();
    assertEquals(List.of(1.0, 1.0), List.of(yarn.betaFast(), yarn.betaSlow()));
    assertEquals(32.0, ((RopeScaling.Yarn) with(_ -> {}).ropeScaling()).betaFast());
  }

  @Test
  void yarnWithoutItsMultiplierLeavesTheScoresUnscaled() {
    DeepseekConfig c = without("rope.scaling.yarn_log_multiplier");
    assertEquals(1 / Math.sqrt(192), c.softmaxScale(), 1e-12);
    assertEquals(1 + 0.1 * Math.log(40), c.ropeFactor(), 1e-12);
  }

  @Test
  void anAbsentVocabularySizeIsTheNumberOfTokens() {
    var tokens = new GgufArray(GgufCursor.STRING, 1000, MemorySegment.NULL);
    DeepseekConfig c =
        with(
            m -> {
              m.remove("deepseek2.vocab_size");
              m.put("tokenizer.ggml.tokens", tokens);
            });
    assertEquals(1000, c.vocabSize());
    assertThrows(WeightException.class, () -> without("vocab_size"));
  }

  @ParameterizedTest
  @CsvSource({
    "deepseek41, DeepSeek-V4.1",
    "deepseek4_mtp_support, the MTP layer of DeepSeek-V4",
    "dflash, DSpark",
    "deepseek2-ocr, DeepSeek-OCR",
    "glm4moelite, Ollama",
    "llama4, another architecture",
    "qwen2moe, another architecture",
    "mamba, another architecture"
  })
  void otherArchitecturesAreRefusedByName(String architecture, String says) {
    var e =
        assertThrows(
            WeightException.class, () -> with(m -> m.put("general.architecture", architecture)));
    assertTrue(e.getMessage().contains(says), e.getMessage());
    assertTrue(e.getMessage().contains("DeepSeek-V2-Lite"), "says what is supported");
  }

  @ParameterizedTest
  @CsvSource({
    "block_count, 0",
    "block_count, -1",
    "block_count, 99999",
    "embedding_length, 0",
    "embedding_length, 4294967295",
    "vocab_size, -5",
    "attention.head_count, 0",
    "attention.kv_lora_rank, 0",
    "attention.key_length_mla, 64",
    "rope.dimension_count, 63",
    "rope.dimension_count, 0",
    "leading_dense_block_count, 62",
    "expert_count, 0",
    "expert_used_count, 257",
    "expert_used_count, 129",
    "expert_group_count, 7",
    "expert_group_used_count, 9",
    "expert_group_used_count, 0",
    "expert_gating_func, 3",
    "expert_shared_count, 1048576",
    "nextn_predict_layers, 61",
    "context_length, 0"
  })
  void nonsenseIsRefusedByKey(String key, long value) {
    assertThrows(WeightException.class, () -> with(key, value));
  }

  @ParameterizedTest
  @CsvSource({
    "attention.layer_norm_rms_epsilon, 0",
    "attention.layer_norm_rms_epsilon, NaN",
    "attention.layer_norm_rms_epsilon, -1",
    "rope.freq_base, 0",
    "rope.freq_base, Infinity",
    "rope.scaling.factor, NaN",
    "rope.scaling.factor, -40",
    "rope.scaling.yarn_log_multiplier, NaN",
    "rope.scaling.yarn_beta_slow, 33",
    "expert_weights_scale, -1",
    "expert_weights_scale, NaN"
  })
  void nonsenseNumbersAreRefusedByKey(String key, double value) {
    assertThrows(WeightException.class, () -> with(key, value));
  }

  @Test
  void wrongTypesAreRefusedByKey() {
    var e = assertThrows(WeightException.class, () -> with("block_count", "61"));
    assertTrue(e.getMessage().contains("model.gguf: deepseek2.block_count"), e.getMessage());
    assertThrows(WeightException.class, () -> with("expert_weights_norm", 1L));
    assertThrows(WeightException.class, () -> with("rope.scaling.type", 1L));
    assertThrows(WeightException.class, () -> with("rope.scaling.type", "longrope"));
    assertThrows(WeightException.class, () -> without("attention.kv_lora_rank"));
  }

  /** Nine files that people downloaded, as a loader printed their metadata. */
  @Test
  void metadataOfPublishedFiles() {
    List<String> read = new ArrayList<>();
    for (Map<String, Object> metadata : Published.ggufMetadata().values()) {
      DeepseekConfig c = GgufConfig.of(FILE, metadata);
      GateRule g = c.gate();
      read.add(
          "%d layers, %d of %d experts, %d of %d groups, scale %.6f"
              .formatted(
                  c.layers(), g.used(), g.experts(), g.groupsUsed(), g.groups(), c.softmaxScale()));
    }
    String lite = "27 layers, 6 of 64 experts, 1 of 1 groups, scale 0.114721";
    String v25 = "60 layers, 6 of 160 experts, 3 of 8 groups, scale 0.135234";
    String v3 = "61 layers, 8 of 256 experts, 4 of 8 groups, scale 0.135234";
    String k2 = "61 layers, 8 of 384 experts, 1 of 1 groups, scale 0.130861";
    assertEquals(List.of(lite, lite, v25, v3, v3, v3, v3, v3, k2), read);
  }

  private static AttentionConfig.Latent latent(DeepseekConfig c) {
    return (AttentionConfig.Latent) c.attention();
  }
}
