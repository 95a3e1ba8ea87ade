package dev.yuzui.weights;

import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The architectures with grouped-query attention that DeepSeek has published models of, each called
 * the same in both formats.
 */
enum GroupedFamily {
  /** DeepSeek-MoE. */
  DEEPSEEK(false, false, false),
  /** DeepSeek-LLM, Coder V1, R1-Distill-Llama. */
  LLAMA(false, false, false),
  /** R1-Distill-Qwen. */
  QWEN2(true, false, true),
  /** R1-0528-Qwen3. */
  QWEN3(false, true, true);

  private final boolean biases;
  private final boolean norms;
  private final boolean halvesInGguf;

  /**
   * @param halvesInGguf whether a pair that rotates is (i, i + D/2) in GGUF files too, as it is in
   *     every folder; the converter moves the rows of the others
   */
  GroupedFamily(boolean biases, boolean norms, boolean halvesInGguf) {
    this.biases = biases;
    this.norms = norms;
    this.halvesInGguf = halvesInGguf;
  }

  String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  boolean halvesInGguf() {
    return halvesInGguf;
  }

  static Optional<GroupedFamily> named(String label) {
    return Stream.of(values()).filter(f -> f.label().equals(label)).findFirst();
  }

  AttentionConfig.Grouped attention(int heads, int kvHeads, int head) {
    return new AttentionConfig.Grouped(heads, kvHeads, head, biases, norms);
  }
}
