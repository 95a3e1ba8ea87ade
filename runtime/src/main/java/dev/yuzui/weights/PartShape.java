package dev.yuzui.weights;

/** The canonical [rows, cols] of a part, per expert where it is an expert's. */
record PartShape(long rows, long cols) {

  static PartShape of(Part part, DeepseekConfig c) {
    long h = c.hiddenSize();
    long heads = c.heads();
    long query = heads * (c.nopeHeadDim() + c.ropeHeadDim());
    long shared = (long) c.expertWidth() * c.sharedExperts();
    return switch (part) {
      case EMBED, HEAD, MTP_EMBED, MTP_HEAD -> new PartShape(c.vocabSize(), h);
      case FINAL_NORM, ATTN_NORM, FFN_NORM, MTP_ENORM, MTP_HNORM, MTP_NORM -> new PartShape(1, h);
      case Q -> new PartShape(query, h);
      case Q_A -> new PartShape(c.qLoraRank(), h);
      case Q_A_NORM -> new PartShape(1, c.qLoraRank());
      case Q_B -> new PartShape(query, c.qLoraRank());
      case KV_A -> new PartShape(c.cacheEntry(), h);
      case KV_A_NORM -> new PartShape(1, c.kvLoraRank());
      case KEY_UP -> new PartShape(heads * c.kvLoraRank(), c.nopeHeadDim());
      case VALUE_UP -> new PartShape(heads * c.valueHeadDim(), c.kvLoraRank());
      case ATTN_OUT -> new PartShape(h, heads * c.valueHeadDim());
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

  /** kv_b: {@link Part#KEY_UP} and {@link Part#VALUE_UP} of a head under each other. */
  static PartShape keyValueUp(DeepseekConfig c) {
    return new PartShape((long) c.heads() * (c.nopeHeadDim() + c.valueHeadDim()), c.kvLoraRank());
  }

  long elements() {
    return rows * cols;
  }
}
