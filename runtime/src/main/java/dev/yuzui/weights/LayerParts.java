package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import java.util.EnumSet;
import java.util.Set;

/** Which parts a layer of a model has, by its configuration. */
final class LayerParts {
  static final Set<Part> WHOLE_MODEL = Set.of(Part.EMBED, Part.FINAL_NORM, Part.HEAD);
  static final Set<Part> EXPERTS = Set.of(Part.EXPERT_GATE, Part.EXPERT_UP, Part.EXPERT_DOWN);

  /** What chooses the entries that sparse attention looks at. */
  static final EnumSet<Part> INDEXER =
      EnumSet.of(
          Part.INDEX_Q, Part.INDEX_K, Part.INDEX_K_NORM, Part.INDEX_K_BIAS, Part.INDEX_WEIGHTS);

  /** What a model of latent attention without an indexer may have. */
  static final EnumSet<Part> LATENT =
      EnumSet.complementOf(
          EnumSet.of(
              Part.K,
              Part.V,
              Part.Q_BIAS,
              Part.K_BIAS,
              Part.V_BIAS,
              Part.ATTN_OUT_BIAS,
              Part.Q_NORM,
              Part.K_NORM,
              Part.INDEX_Q,
              Part.INDEX_K,
              Part.INDEX_K_NORM,
              Part.INDEX_K_BIAS,
              Part.INDEX_WEIGHTS));

  private static final Set<Part> BIASES = Set.of(Part.Q_BIAS, Part.K_BIAS, Part.V_BIAS);

  private LayerParts() {}

  /** Parts without which the layer cannot be computed, experts and both halves of kv_b included. */
  static Set<Part> required(DeepseekConfig c, int layer) {
    EnumSet<Part> parts = EnumSet.of(Part.ATTN_NORM, Part.ATTN_OUT, Part.FFN_NORM);
    switch (c.attention()) {
      case AttentionConfig.Latent latent -> {
        parts.addAll(Set.of(Part.KV_A, Part.KV_A_NORM, Part.KEY_UP, Part.VALUE_UP));
        parts.addAll(
            latent.qLoraRank() == 0 ? Set.of(Part.Q) : Set.of(Part.Q_A, Part.Q_A_NORM, Part.Q_B));
        if (latent.indexes(layer)) {
          parts.addAll(INDEXER);
        }
      }
      case AttentionConfig.Grouped grouped -> {
        parts.addAll(Set.of(Part.Q, Part.K, Part.V));
        if (grouped.biases()) {
          parts.addAll(BIASES);
        }
        if (grouped.norms()) {
          parts.addAll(Set.of(Part.Q_NORM, Part.K_NORM));
        }
      }
    }
    if (c.isMoe(layer)) {
      parts.add(Part.ROUTER);
      parts.addAll(EXPERTS);
      if (c.gate().scoring() == GateRule.Scoring.SIGMOID) {
        parts.add(Part.ROUTER_BIAS);
      }
      if (c.sharedExperts() > 0) {
        parts.addAll(Set.of(Part.SHARED_GATE, Part.SHARED_UP, Part.SHARED_DOWN));
      }
    } else {
      parts.addAll(Set.of(Part.FFN_GATE, Part.FFN_UP, Part.FFN_DOWN));
    }
    if (layer >= c.layers()) {
      parts.addAll(Set.of(Part.MTP_PROJ, Part.MTP_ENORM, Part.MTP_HNORM));
    }
    return parts;
  }

  /** Parts the layer may have besides; others take their place. */
  static Set<Part> optional(DeepseekConfig c, int layer) {
    EnumSet<Part> parts = EnumSet.noneOf(Part.class);
    if (c.attention() instanceof AttentionConfig.Grouped grouped) {
      parts.add(Part.ATTN_OUT_BIAS);
      if (!grouped.biases()) {
        parts.addAll(BIASES);
      }
    }
    if (c.attention() instanceof AttentionConfig.Latent latent
        && latent.indexer().isPresent()
        && !latent.indexes(layer)) {
      parts.addAll(INDEXER); // some files have them where nothing asks for them
    }
    if (layer >= c.layers()) {
      parts.addAll(Set.of(Part.MTP_NORM, Part.MTP_EMBED, Part.MTP_HEAD));
    }
    return parts;
  }
}
