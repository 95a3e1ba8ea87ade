package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import java.util.EnumSet;
import java.util.Set;

/** Which parts a layer of a model has, by its configuration. */
final class LayerParts {
  private static final Set<Part> HC_HEAD =
      Set.of(Part.HC_HEAD_FN, Part.HC_HEAD_BASE, Part.HC_HEAD_SCALE);

  /** Parts of no layer. */
  static final Set<Part> WHOLE_MODEL =
      Set.of(
          Part.EMBED,
          Part.FINAL_NORM,
          Part.HEAD,
          Part.HC_HEAD_FN,
          Part.HC_HEAD_BASE,
          Part.HC_HEAD_SCALE);

  static final Set<Part> EXPERTS = Set.of(Part.EXPERT_GATE, Part.EXPERT_UP, Part.EXPERT_DOWN);

  /** What chooses the entries that sparse attention looks at. */
  static final EnumSet<Part> INDEXER =
      EnumSet.of(
          Part.INDEX_Q, Part.INDEX_K, Part.INDEX_K_NORM, Part.INDEX_K_BIAS, Part.INDEX_WEIGHTS);

  private static final Set<Part> COMPRESSED =
      EnumSet.of(
          Part.Q_A,
          Part.Q_A_NORM,
          Part.Q_B,
          Part.KV,
          Part.KV_NORM,
          Part.ATTN_SINKS,
          Part.ATTN_OUT_A,
          Part.ATTN_OUT_B);

  private static final Set<Part> COMPRESSOR =
      EnumSet.of(Part.COMPRESS_KV, Part.COMPRESS_GATE, Part.COMPRESS_APE, Part.COMPRESS_NORM);

  /** What chooses compressed rows. */
  private static final Set<Part> BLOCK_INDEXER =
      EnumSet.of(
          Part.INDEX_Q,
          Part.INDEX_WEIGHTS,
          Part.INDEX_COMPRESS_KV,
          Part.INDEX_COMPRESS_GATE,
          Part.INDEX_COMPRESS_APE,
          Part.INDEX_COMPRESS_NORM);

  private static final Set<Part> HC =
      EnumSet.of(
          Part.HC_ATTN_FN,
          Part.HC_ATTN_BASE,
          Part.HC_ATTN_SCALE,
          Part.HC_FFN_FN,
          Part.HC_FFN_BASE,
          Part.HC_FFN_SCALE);

  /** What an MTP layer of several streams has around its block. */
  private static final Set<Part> MTP_STREAMS =
      EnumSet.of(
          Part.MTP_PROJ_EMBED,
          Part.MTP_PROJ_HIDDEN,
          Part.MTP_ENORM,
          Part.MTP_HNORM,
          Part.MTP_NORM,
          Part.MTP_HC_FN,
          Part.MTP_HC_BASE,
          Part.MTP_HC_SCALE);

  private static final Set<Part> BIASES = Set.of(Part.Q_BIAS, Part.K_BIAS, Part.V_BIAS);

  private LayerParts() {}

  /** Those of {@link #WHOLE_MODEL} that the model has. */
  static Set<Part> ofModel(DeepseekConfig c) {
    EnumSet<Part> parts = EnumSet.of(Part.EMBED, Part.FINAL_NORM, Part.HEAD);
    if (c.hyperConnections().isPresent()) {
      parts.addAll(HC_HEAD);
    }
    return parts;
  }

  /** Parts without which the layer cannot be computed, experts and both halves of kv_b included. */
  static Set<Part> required(DeepseekConfig c, int layer) {
    EnumSet<Part> parts = EnumSet.of(Part.ATTN_NORM, Part.FFN_NORM);
    switch (c.attention()) {
      case AttentionConfig.Compressed compressed -> {
        parts.addAll(COMPRESSED);
        if (compressed.compresses(layer)) {
          parts.addAll(COMPRESSOR);
        }
        if (compressed.indexes(layer)) {
          parts.addAll(BLOCK_INDEXER);
        }
      }
      case AttentionConfig.Latent latent -> {
        parts.add(Part.ATTN_OUT);
        parts.addAll(Set.of(Part.KV_A, Part.KV_A_NORM, Part.KEY_UP, Part.VALUE_UP));
        parts.addAll(
            latent.qLoraRank() == 0 ? Set.of(Part.Q) : Set.of(Part.Q_A, Part.Q_A_NORM, Part.Q_B));
        if (latent.indexes(layer)) {
          parts.addAll(INDEXER);
        }
      }
      case AttentionConfig.Grouped grouped -> {
        parts.addAll(Set.of(Part.Q, Part.K, Part.V, Part.ATTN_OUT));
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
      if (c.hashes(layer)) {
        parts.add(Part.ROUTER_TABLE);
      } else if (c.gate().scoring() != GateRule.Scoring.SOFTMAX) {
        parts.add(Part.ROUTER_BIAS);
      }
      if (c.sharedExperts() > 0) {
        parts.addAll(Set.of(Part.SHARED_GATE, Part.SHARED_UP, Part.SHARED_DOWN));
      }
    } else {
      parts.addAll(Set.of(Part.FFN_GATE, Part.FFN_UP, Part.FFN_DOWN));
    }
    boolean streams = c.hyperConnections().isPresent();
    if (streams) {
      parts.addAll(HC);
    }
    if (layer >= c.layers()) {
      parts.addAll(streams ? MTP_STREAMS : Set.of(Part.MTP_PROJ, Part.MTP_ENORM, Part.MTP_HNORM));
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
    if (layer >= c.layers() && c.hyperConnections().isEmpty()) {
      parts.addAll(Set.of(Part.MTP_NORM, Part.MTP_EMBED, Part.MTP_HEAD));
    }
    return parts;
  }

  /** Whatever a layer or the model itself may have. */
  static Set<Part> all(DeepseekConfig c, int layer) {
    EnumSet<Part> parts = EnumSet.copyOf(required(c, layer));
    parts.addAll(optional(c, layer));
    parts.addAll(ofModel(c));
    return parts;
  }
}
