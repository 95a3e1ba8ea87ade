package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Which encoding each part of a synthetic model gets. Norms, routers and router biases are F32 as
 * in converted files. {@code Q4_K_M} is llama-quantize's mix: Q4_K, but Q6_K for the head and the
 * down projections of the first and last eighth and every third layer between, Q8_0 for the halves
 * of kv_b. {@code FP8} is DeepSeek's: BF16 for embedding, head and router, F32 for the halves of
 * kv_b as opening such a checkpoint makes them, V4's experts MXFP4. {@code MXFP4} is what llama.cpp
 * makes of a V4: its experts as they are, BF16 for what was, Q8_0 for the rest; {@code IQ2_XXS} is
 * antirez's mix, IQ2_XXS and Q2_K experts, F16 in place of BF16. What makes V4's streams, and the
 * places of tokens in a block, are F32 in all of them.
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
  FP8,
  MXFP4,
  IQ2_XXS;

  private static final Set<Part> FLOATS =
      EnumSet.of(
          Part.HC_ATTN_FN,
          Part.HC_FFN_FN,
          Part.HC_HEAD_FN,
          Part.MTP_HC_FN,
          Part.COMPRESS_APE,
          Part.INDEX_COMPRESS_APE);

  /** What V4's release has in BF16 beside FP8. */
  private static final Set<Part> NUMBERS =
      EnumSet.of(
          Part.EMBED,
          Part.HEAD,
          Part.MTP_EMBED,
          Part.MTP_HEAD,
          Part.COMPRESS_KV,
          Part.COMPRESS_GATE,
          Part.INDEX_COMPRESS_KV,
          Part.INDEX_COMPRESS_GATE,
          Part.INDEX_WEIGHTS);

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
    if (part == Part.ROUTER_TABLE) {
      return Encoding.I32;
    }
    if (shape.rows() == 1 || FLOATS.contains(part)) {
      return Encoding.F32;
    }
    return switch (this) {
      case FP8 ->
          switch (part) {
            case EMBED, HEAD, MTP_EMBED, MTP_HEAD, MTP_PROJ, ROUTER, INDEX_WEIGHTS -> Encoding.BF16;
            case KEY_UP, VALUE_UP -> Encoding.F32;
            case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN ->
                c.attention() instanceof AttentionConfig.Compressed
                    ? fit(new Encoding.MXFP4(), shape.cols())
                    : Encoding.FP8;
            default -> NUMBERS.contains(part) ? Encoding.BF16 : Encoding.FP8;
          };
      case MXFP4 ->
          switch (part) {
            case ROUTER -> Encoding.F32;
            case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN -> fit(new Encoding.MXFP4(), shape.cols());
            default ->
                NUMBERS.contains(part) ? Encoding.BF16 : fit(new Encoding.Q8_0(), shape.cols());
          };
      case IQ2_XXS ->
          switch (part) {
            case ROUTER -> Encoding.F32;
            case EXPERT_GATE, EXPERT_UP -> fit(new Encoding.IQ2_XXS(), shape.cols());
            case EXPERT_DOWN -> fit(new Encoding.Q2_K(), shape.cols());
            case EMBED, MTP_EMBED, INDEX_Q -> Encoding.F16;
            case HEAD, MTP_HEAD -> fit(new Encoding.Q8_0(), shape.cols());
            default ->
                NUMBERS.contains(part) ? Encoding.F16 : fit(new Encoding.Q8_0(), shape.cols());
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
