package dev.yuzui.weights;

import java.nio.file.Path;
import java.util.Map;

/** Which architectures load, by either format's name, and what the others are. */
final class Architectures {
  static final String GGUF = "deepseek2";

  private static final String SUPPORTED =
      "DeepSeek-V2-Lite, V2, V2.5, Coder-V2, V3, R1, V3.1, Moonlight, Kimi-K2 or GLM-4.7-Flash"
          + " (deepseek2 in a GGUF; deepseek_v2, deepseek_v3, kimi_k2 or glm4_moe_lite in"
          + " config.json), DeepSeek-MoE, LLM, Coder or a distillation of R1 (deepseek, llama,"
          + " qwen2 or qwen3)";

  private static final Map<String, String> OTHERS =
      Map.ofEntries(
          Map.entry("deepseek2-ocr", "DeepSeek-OCR"),
          Map.entry("deepseek32", "DeepSeek-V3.2, which has sparse attention"),
          Map.entry("deepseek_v32", "DeepSeek-V3.2, which has sparse attention"),
          Map.entry("deepseek4", "DeepSeek-V4, which has compressed sparse attention"),
          Map.entry("deepseek_v4", "DeepSeek-V4, which has compressed sparse attention"),
          Map.entry("glm4moelite", "GLM-4.7-Flash as Ollama converts it; deepseek2 files load"));

  private Architectures() {}

  static WeightException unsupported(Path file, String key, String name) {
    String known = OTHERS.getOrDefault(name, "another architecture");
    return new WeightException(
        file, key, SUPPORTED, name + " (" + known + ")", "choose a supported model");
  }
}
