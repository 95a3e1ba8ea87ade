package dev.yuzui.weights;

import dev.yuzui.weights.AttentionConfig.Grouped;
import dev.yuzui.weights.AttentionConfig.Latent;

/** The canonical [rows, cols] of a part, per expert where it is an expert's. */
record PartShape(long rows, long cols) {

  static PartShape of(Part part, DeepseekConfig c) {
    long h = c.hiddenSize();
    long shared = (long) c.expertWidth() * c.sharedExperts();
    return switch (part) {
      case EMBED, HEAD, MTP_EMBED, MTP_HEAD -> new PartShape(c.vocabSize(), h);
      case FINAL_NORM, ATTN_NORM, FFN_NORM, MTP_ENORM, MTP_HNORM, MTP_NORM -> new PartShape(1, h);
      case Q, Q_A, Q_A_NORM, Q_B, KV_A, KV_A_NORM, KEY_UP, VALUE_UP, ATTN_OUT ->
          switch (c.attention()) {
            case Latent latent -> latent(part, latent, h);
            case Grouped grouped -> grouped(part, grouped, h);
          };
      case INDEX_Q, INDEX_K, INDEX_K_NORM, INDEX_K_BIAS, INDEX_WEIGHTS ->
          index(part, (Latent) c.attention(), h);
      case K, V, Q_BIAS, K_BIAS, V_BIAS, ATTN_OUT_BIAS, Q_NORM, K_NORM ->
          grouped(part, (Grouped) c.attention(), h);
      case FFN_GATE, FFN_UP -> new PartShape(c.denseWidth(), h);
      case FFN_DOWN -> new PartShape(h, c.denseWidth());
      case ROUTER -> new PartShape(c.gate().experts(), h);
      case ROUTER_BIAS -> new PartShape(1, c.gate().experts());
      case EXPERT_GATE, EXPERT_UP -> new PartShape(c.expertWidth(), h);
      case EXPERT_DOWN -> new PartShape(h, c.expertWidth());
      case SHARED_GATE, SHARED_UP -> new PartShape(shared, h);
      case SHARED_DOWN -> new PartShape(h, shared);
      case MTP_PROJ -> new PartShape(h, 2 * h);
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
