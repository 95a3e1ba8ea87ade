package dev.yuzui.cli.bench;

/**
 * What guessing is worth where a step takes as long as its bytes take to come from memory: weights
 * of a byte each that a step of T tokens touches, and the KV cache at a byte a number, which all
 * tokens of a sequence read together. Experts are taken to be picked evenly and apart, so T tokens
 * touch E·(1 − (1 − K/E)^T) of a layer's E.
 *
 * @param always whatever the tokens are: attention, dense and shared FFNs, routers, head
 * @param expert one routed expert
 * @param layers those with experts
 * @param cache numbers of a token of context in all layers
 * @param predictor MTP layer but for its routed experts, and the half of the head that drafting
 *     reads again
 */
record MemoryBound(
    double always,
    double expert,
    int layers,
    int experts,
    int used,
    double cache,
    double predictor) {

  /**
   * DeepSeek-V3: 61 layers of attention of 187 M weights, 3 with FFNs of 396 M, 58 with routers of
   * 1.8 M, shared and routed experts of 44 M each; a head of 927 M; an MTP layer whose projection
   * has 103 M. Its config.json.
   */
  static final MemoryBound V3 =
      new MemoryBound(
          61 * 187.1e6 + 3 * 396.4e6 + 58 * (44.0e6 + 1.8e6) + 926.7e6,
          44.0e6,
          58,
          256,
          8,
          61 * 576,
          187.1e6 + 44.0e6 + 1.8e6 + 102.8e6 + 926.7e6 / 2);

  /** Experts of a layer that so many tokens touch, on average. */
  double touched(int tokens) {
    return experts * (1 - Math.pow(1 - (double) used / experts, tokens));
  }

  /** Bytes of a step. */
  double step(int tokens, int context) {
    return always + layers * touched(tokens) * expert + cache * context;
  }

  /** Bytes of a guess: the MTP layer over {@code tokens} that were appended; its cache is small. */
  double draft(int tokens) {
    return predictor + touched(tokens) * expert;
  }

  /**
   * @param acceptance of one guess at a time
   */
  double gain(double acceptance, int context) {
    double draft = acceptance * draft(2) + (1 - acceptance) * draft(1);
    return (1 + acceptance) * step(1, context) / (step(2, context) + draft);
  }
}
