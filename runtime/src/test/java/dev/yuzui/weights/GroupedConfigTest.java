package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models with grouped-query attention: what their files say, and what is called like them. */
class GroupedConfigTest {
  private static DeepseekConfig gguf(String architecture, Consumer<Map<String, Object>> change) {
    Map<String, Object> keys = new HashMap<>();
    keys.put("block_count", 4L);
    keys.put("embedding_length", 96L);
    keys.put("attention.head_count", 6L);
    keys.put("attention.head_count_kv", 2L);
    keys.put("context_length", 512L);
    keys.put("feed_forward_length", 192L);
    keys.put("attention.layer_norm_rms_epsilon", 1e-6);
    keys.put("vocab_size", 320L);
    change.accept(keys);
    Map<String, Object> metadata = new HashMap<>();
    metadata.put("general.architecture", architecture);
    keys.forEach((key, value) -> metadata.put(architecture + "." + key, value));
    return GgufConfig.of(Path.of("model.gguf"), metadata);
  }

  private static DeepseekConfig folder(String type, String more) {
    String json =
        """
        {"model_type": "%s", "hidden_size": 96, "vocab_size": 320, "num_hidden_layers": 4,
         "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 512,
         "intermediate_size": 192, "rms_norm_eps": 1e-6%s}
        """
            .formatted(type, more.isEmpty() ? "" : ", " + more);
    return HfConfig.read("model", json.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void whatIsAbsentMeansWhatPublishedCodeTakesForIt() {
    var every = new AttentionConfig.Grouped(6, 6, 16, false, false);
    assertEquals(every, gguf("llama", m -> m.remove("attention.head_count_kv")).attention());
    var qwen2 = new AttentionConfig.Grouped(6, 2, 16, true, false);
    assertEquals(qwen2, gguf("qwen2", _ -> {}).attention());
    assertEquals(qwen2, folder("qwen2", "").attention());
    var qwen3 = new AttentionConfig.Grouped(6, 2, 32, false, true);
    assertEquals(qwen3, folder("qwen3", "\"head_dim\": 32").attention());
    DeepseekConfig llama = folder("llama", "");
    assertEquals(RopeScaling.NONE, llama.ropeScaling());
    assertEquals(10000, llama.ropeTheta());
    assertEquals(4, llama.firstDense());
  }

  @ParameterizedTest
  @CsvSource({
    "llama, expert_count, 8, Mixtral",
    "qwen2, expert_count, 60, Mixtral",
    "llama, attention.sliding_window, 4096, sliding windows",
    "qwen3, attention.value_length, 8, elements of a head",
    "llama, rope.dimension_count, 8, elements of a head",
    "llama, attention.head_count_kv, 4, a multiple of the key and value heads"
  })
  void ggufsOfOthersAreRefused(String architecture, String key, long value, String says) {
    var e = assertThrows(WeightException.class, () -> gguf(architecture, m -> m.put(key, value)));
    assertTrue(e.getMessage().contains(says), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llama | \"num_local_experts\": 8 | num_local_experts",
        "qwen3 | \"num_experts\": 128 | num_experts",
        "qwen2 | \"use_sliding_window\": true, \"sliding_window\": 64 | use_sliding_window",
        "qwen3 | \"layer_types\": [\"full_attention\", \"sliding_attention\"] | sliding_attention",
        "llama | \"partial_rotary_factor\": 0.5 | partial_rotary_factor",
        "llama | \"mlp_bias\": true | mlp_bias",
        "llama | \"hidden_act\": \"gelu\" | gelu",
        "llama | \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2} | dynamic"
      })
  void foldersOfOthersAreRefused(String type, String keys, String says) {
    var e = assertThrows(WeightException.class, () -> folder(type, keys));
    assertTrue(e.getMessage().contains(says), e.getMessage());
  }

  @Test
  void aWidthOfWindowsThatAreNotUsedMeansNothing() {
    assertEquals(
        4, folder("qwen2", "\"sliding_window\": 64, \"use_sliding_window\": false").layers());
  }

  @Test
  void theFactorOfYarnIsThePublishers() {
    String yarn =
        "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0,"
            + " \"original_max_position_embeddings\": 64%s}";
    double own = 1 + 0.1 * Math.log(4);
    assertEquals(own, folder("qwen3", yarn.formatted("")).ropeFactor(), 1e-12);
    String cancels = ", \"attn_factor\": " + 1 / own;
    assertEquals(1, folder("qwen3", yarn.formatted(cancels)).ropeFactor(), 1e-12);
    String whole = ", \"attn_factor\": 3, \"attention_factor\": 1.25";
    assertEquals(1.25, folder("qwen3", yarn.formatted(whole)).ropeFactor(), 1e-12);
    DeepseekConfig file =
        gguf(
            "qwen3",
            m -> {
              m.put("rope.scaling.type", "yarn");
              m.put("rope.scaling.factor", 4.0);
              m.put("rope.scaling.original_context_length", 64L);
              m.put("rope.scaling.yarn_attn_factor", 1 / own);
            });
    assertEquals(1, file.ropeFactor(), 1e-12);
  }

  @Test
  void anOldFilesFactorIsLinear() {
    assertEquals(
        new RopeScaling.Linear(4),
        gguf("llama", m -> m.put("rope.scale_linear", 4.0)).ropeScaling());
  }

  @Test
  void halvesArePutSideBySide() {
    try (Arena arena = Arena.ofConfined()) {
      // two heads of four rows
      HostTensor rows = numbers(arena, 8, 1, 0, 1, 2, 3, 10, 11, 12, 13);
      assertArrayEquals(
          new float[] {0, 2, 1, 3, 10, 12, 11, 13},
          Dequantizer.all(Halves.interleaved(rows, 4, 4, arena)));
      HostTensor bias = numbers(arena, 1, 8, 0, 1, 2, 3, 10, 11, 12, 13);
      assertArrayEquals(
          new float[] {0, 2, 1, 3, 10, 12, 11, 13},
          Dequantizer.all(Halves.interleaved(bias, 4, 4, arena)));
    }
  }

  private static HostTensor numbers(Arena arena, long rows, long cols, float... values) {
    MemorySegment data = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    return HostTensor.of("t", Encoding.F32, rows, cols, data);
  }

  @Test
  void everyFamilyIsNamedInARefusal() {
    var e = assertThrows(WeightException.class, () -> gguf("mamba", _ -> {}));
    for (String name : List.of("deepseek", "llama", "qwen2", "qwen3")) {
      assertTrue(e.getMessage().contains(name), e.getMessage());
    }
  }
}
