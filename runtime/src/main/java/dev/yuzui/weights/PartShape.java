package dev.yuzui.weights;

import dev.yuzui.weights.AttentionConfig.Compressed;
import dev.yuzui.weights.AttentionConfig.Grouped;
import dev.yuzui.weights.AttentionConfig.Latent;

/** The canonical [rows, cols] of a part, per expert where it is an expert's. */
record PartShape(long rows, long cols) {

  /**
   * @param layer any for parts that all layers have alike
   */
  static PartShape of(Part part, int layer, DeepseekConfig c) {
    long h = c.hiddenSize();
    long shared = (long) c.expertWidth() * c.sharedExperts();
    return switch (part) {
      case EMBED, HEAD, MTP_EMBED, MTP_HEAD -> new PartShape(c.vocabSize(), h);
      case FINAL_NORM, ATTN_NORM, FFN_NORM, MTP_ENORM, MTP_HNORM, MTP_NORM -> new PartShape(1, h);
      case Q, Q_A, Q_A_NORM, Q_B, KV_A, KV_A_NORM, KEY_UP, VALUE_UP, ATTN_OUT ->
          switch (c.attention()) {
            case Latent latent -> latent(part, latent, h);
            case Grouped grouped -> grouped(part, grouped, h);
            case Compressed compressed -> compressed(part, layer, compressed, h);
          };
      case INDEX_Q, INDEX_WEIGHTS ->
          switch (c.attention()) {
            case Latent latent -> index(part, latent, h);
            case Compressed compressed -> compressed(part, layer, compressed, h);
            case Grouped _ ->
                throw new IllegalArgumentException("grouped-query attention has no " + part);
          };
      case INDEX_K, INDEX_K_NORM, INDEX_K_BIAS -> index(part, (Latent) c.attention(), h);
      case KV, KV_NORM, ATTN_SINKS, ATTN_OUT_A, ATTN_OUT_B ->
          compressed(part, layer, (Compressed) c.attention(), h);
      case COMPRESS_KV, COMPRESS_GATE, COMPRESS_APE, COMPRESS_NORM ->
          compressor(part, layer, (Compressed) c.attention(), h);
      case INDEX_COMPRESS_KV, INDEX_COMPRESS_GATE, INDEX_COMPRESS_APE, INDEX_COMPRESS_NORM ->
          compressor(part, layer, (Compressed) c.attention(), h);
      case HC_ATTN_FN, HC_FFN_FN -> new PartShape(streams(c).mixes(), c.stateSize());
      case HC_ATTN_BASE, HC_FFN_BASE -> new PartShape(1, streams(c).mixes());
      case HC_ATTN_SCALE, HC_FFN_SCALE -> new PartShape(1, 3);
      case HC_HEAD_FN, MTP_HC_FN -> new PartShape(streams(c).streams(), c.stateSize());
      case HC_HEAD_BASE, MTP_HC_BASE -> new PartShape(1, streams(c).streams());
      case HC_HEAD_SCALE, MTP_HC_SCALE -> new PartShape(1, 1);
      case K, V, Q_BIAS, K_BIAS, V_BIAS, ATTN_OUT_BIAS, Q_NORM, K_NORM ->
          grouped(part, (Grouped) c.attention(), h);
      case FFN_GATE, FFN_UP -> new PartShape(c.denseWidth(), h);
      case FFN_DOWN -> new PartShape(h, c.denseWidth());
      case ROUTER -> new PartShape(c.gate().experts(), h);
      case ROUTER_BIAS -> new PartShape(1, c.gate().experts());
      case ROUTER_TABLE -> new PartShape(c.vocabSize(), c.gate().used());
      case EXPERT_GATE, EXPERT_UP -> new PartShape(c.expertWidth(), h);
      case EXPERT_DOWN -> new PartShape(h, c.expertWidth());
      case SHARED_GATE, SHARED_UP -> new PartShape(shared, h);
      case SHARED_DOWN -> new PartShape(h, shared);
      case MTP_PROJ -> new PartShape(h, 2 * h);
      case MTP_PROJ_EMBED, MTP_PROJ_HIDDEN -> new PartShape(h, h);
    };
  }

  static PartShape latent(Part part, Latent a, long h) {
    long heads = a.heads();
    long query = heads * a.query();
    return switch (part) {
      case Q -> new PartShape(query, h);
      case Q_A -> new PartShape(a.qLoraRank(), h);
      case Q_A_NORM -> new PartShape(1, a.qLoraRank());
      case Q_B -> new PartShape(query, a.qLoraRank());
      case KV_A -> new PartShape(a.cacheEntry(), h);
      case KV_A_NORM -> new PartShape(1, a.kvLoraRank());
      case KEY_UP -> new PartShape(heads * a.kvLoraRank(), a.nope());
      case VALUE_UP -> new PartShape(heads * a.value(), a.kvLoraRank());
      case ATTN_OUT -> new PartShape(h, heads * a.value());
      default -> throw new IllegalArgumentException("latent attention has no " + part);
    };
  }

  private static PartShape index(Part part, Latent a, long h) {
    AttentionConfig.Indexer index = a.indexer().orElseThrow();
    return switch (part) {
      case INDEX_Q -> new PartShape((long) index.heads() * index.head(), a.qLoraRank());
      case INDEX_K -> new PartShape(index.head(), h);
      case INDEX_WEIGHTS -> new PartShape(index.heads(), h);
      default -> new PartShape(1, index.head());
    };
  }

  private static PartShape compressed(Part part, int layer, Compressed a, long h) {
    long queries = (long) a.heads() * a.head();
    long projected = (long) a.groups() * a.groupRank();
    return switch (part) {
      case Q_A -> new PartShape(a.qLoraRank(), h);
      case Q_A_NORM -> new PartShape(1, a.qLoraRank());
      case Q_B -> new PartShape(queries, a.qLoraRank());
      case KV -> new PartShape(a.head(), h);
      case KV_NORM -> new PartShape(1, a.head());
      case ATTN_SINKS -> new PartShape(1, a.heads());
      case ATTN_OUT_A -> new PartShape(projected, queries / a.groups());
      case ATTN_OUT_B -> new PartShape(h, projected);
      case INDEX_Q -> new PartShape((long) a.indexer().heads() * a.indexer().head(), a.qLoraRank());
      case INDEX_WEIGHTS -> new PartShape(a.indexer().heads(), h);
      default ->
          throw new IllegalArgumentException(
              "compressed attention of layer " + layer + " has no " + part);
    };
  }

  private static PartShape compressor(Part part, int layer, Compressed a, long h) {
    long blocks = a.shares(layer);
    return switch (part) {
      case COMPRESS_KV, COMPRESS_GATE -> new PartShape(blocks * a.head(), h);
      case COMPRESS_APE -> new PartShape(a.ratio(layer), blocks * a.head());
      case COMPRESS_NORM -> new PartShape(1, a.head());
      case INDEX_COMPRESS_KV, INDEX_COMPRESS_GATE -> new PartShape(blocks * a.indexer().head(), h);
      case INDEX_COMPRESS_APE -> new PartShape(a.ratio(layer), blocks * a.indexer().head());
      case INDEX_COMPRESS_NORM -> new PartShape(1, a.indexer().head());
      default -> throw new IllegalArgumentException("a compressor has no " + part);
    };
  }

  private static HyperConnections streams(DeepseekConfig c) {
    return c.hyperConnections().orElseThrow();
  }

  private static PartShape grouped(Part part, Grouped a, long h) {
    long queries = (long) a.heads() * a.head();
    long keys = (long) a.kvHeads() * a.head();
    return switch (part) {
      case Q -> new PartShape(queries, h);
      case K, V -> new PartShape(keys, h);
      case Q_BIAS -> new PartShape(1, queries);
      case K_BIAS, V_BIAS -> new PartShape(1, keys);
      case ATTN_OUT -> new PartShape(h, queries);
      case ATTN_OUT_BIAS -> new PartShape(1, h);
      case Q_NORM, K_NORM -> new PartShape(1, a.head());
      default -> throw new IllegalArgumentException("grouped-query attention has no " + part);
    };
  }

  /** kv_b: {@link Part#KEY_UP} and {@link Part#VALUE_UP} of a head under each other. */
  static PartShape keyValueUp(Latent a) {
    return new PartShape((long) a.heads() * (a.nope() + a.value()), a.kvLoraRank());
  }

  long elements() {
    return rows * cols;
  }
}
