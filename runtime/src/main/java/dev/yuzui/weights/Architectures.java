package dev.yuzui.weights;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/** Which architectures load, by either format's name, and what the others are. */
final class Architectures {
  /** Of latent attention, in a GGUF: those with an indexer too. */
  static final Set<String> GGUF = Set.of("deepseek2", "deepseek32", "glm-dsa");

  private static final String SUPPORTED =
      "DeepSeek-V2-Lite, V2, V3, R1, Moonlight, Kimi-K2, GLM-4.7-Flash (deepseek2 in a GGUF;"
          + " deepseek_v2, deepseek_v3, kimi_k2, glm4_moe_lite), V3.2, GLM-5 (deepseek32, glm-dsa;"
          + " deepseek_v32, glm_moe_dsa), V4 (deepseek4; deepseek_v4), MoE, LLM, Coder, R1's"
          + " distillations (deepseek, llama, qwen2, qwen3)";

  private static final String MTP_FILE =
      "the MTP layer of DeepSeek-V4, which is found where it lies beside the main model's file";

  private static final Map<String, String> OTHERS =
      Map.ofEntries(
          Map.entry("deepseek2-ocr", "DeepSeek-OCR"),
          Map.entry("deepseek41", "DeepSeek-V4.1, another architecture than V4's"),
          Map.entry("deepseek_v41", "DeepSeek-V4.1, another architecture than V4's"),
          Map.entry("deepseek4_mtp_support", MTP_FILE),
          Map.entry("dflash", "a draft model of DSpark or DFlash; the main model's file loads"),
          Map.entry("glm4moelite", "GLM-4.7-Flash as Ollama converts it; deepseek2 files load"));

  private Architectures() {}

  /** What a GGUF calls a model of such attention. */
  static String latent(AttentionConfig.Latent attention) {
    return attention.indexer().map(i -> i.halves() ? "deepseek32" : "glm-dsa").orElse("deepseek2");
  }

  static WeightException unsupported(Path file, String key, String name) {
    String known = OTHERS.getOrDefault(name, "another architecture");
    return new WeightException(
        file, key, SUPPORTED, name + " (" + known + ")", "choose a supported model");
  }
}
