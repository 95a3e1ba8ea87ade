package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import java.util.List;

/**
 * Which encoding each part of a synthetic model gets. Norms, routers and router biases are F32 as
 * in converted files. {@code Q4_K_M} is llama-quantize's mix: Q4_K, but Q6_K for the head and the
 * down projections of the first and last eighth and every third layer between, Q8_0 for the halves
 * of kv_b. {@code FP8} is DeepSeek's: BF16 for embedding, head and router, F32 for the halves of
 * kv_b as opening such a checkpoint makes them.
 */
enum SyntheticMix {
  Q4_K_M,
  Q4_K,
  Q6_K,
  Q8_0,
  Q4_0,
  BF16,
  F16,
  F32,
  FP8;

  static List<String> names() {
    return List.of(values()).stream().map(Enum::name).toList();
  }

  static SyntheticMix of(String name) {
    return List.of(values()).stream()
        .filter(m -> m.name().equalsIgnoreCase(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "no synthetic quantisation "
                        + name
                        + "; choose one of "
                        + String.join(", ", names())));
  }

  Encoding encoding(Part part, int layer, DeepseekConfig c) {
    PartShape shape = PartShape.of(part, layer, c);
    if (shape.rows() == 1) {
      return Encoding.F32;
    }
    return switch (this) {
      case FP8 ->
          switch (part) {
            case EMBED, HEAD, MTP_EMBED, MTP_HEAD, MTP_PROJ, ROUTER, INDEX_WEIGHTS -> Encoding.BF16;
            case KEY_UP, VALUE_UP -> Encoding.F32;
            default -> Encoding.FP8;
          };
      case BF16, F16, F32, Q8_0, Q4_0, Q4_K, Q6_K ->
          part == Part.ROUTER ? Encoding.F32 : fit(byName(name()), shape.cols());
      case Q4_K_M ->
          switch (part) {
            case ROUTER -> Encoding.F32;
            case KEY_UP, VALUE_UP -> fit(new Encoding.Q8_0(), shape.cols());
            case HEAD, MTP_HEAD -> fit(new Encoding.Q6_K(), shape.cols());
            case V, FFN_DOWN, EXPERT_DOWN, SHARED_DOWN ->
                fit(
                    moreBits(layer, c.layers()) ? new Encoding.Q6_K() : new Encoding.Q4_K(),
                    shape.cols());
            default -> fit(new Encoding.Q4_K(), shape.cols());
          };
    };
  }

  private static boolean moreBits(int layer, int layers) {
    int eighth = layers / 8;
    return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
  }

  private static Encoding byName(String name) {
    return Encoding.byLabel(name).orElseThrow();
  }

  /** llama-quantize's fallback for rows that are no whole number of blocks. */
  private static Encoding fit(Encoding encoding, long cols) {
    if (cols % encoding.blockElements() == 0) {
      return encoding;
    }
    if (cols % 32 != 0) {
      return Encoding.F32;
    }
    return encoding instanceof Encoding.Q6_K ? new Encoding.Q8_0() : new Encoding.Q5_0();
  }
}
