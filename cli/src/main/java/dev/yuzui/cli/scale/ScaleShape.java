package dev.yuzui.cli.scale;

import dev.yuzui.weights.DeepseekConfig;

/**
 * Parameters of a model's matrices by who holds and reads them; norms and biases, which are few,
 * left out.
 *
 * @param attention of a layer
 * @param dense of a layer's dense FFN
 * @param shared of a layer's router and shared expert, which every device holds
 * @param expert of one routed expert
 * @param head of the head, and as many of the embedding
 */
record ScaleShape(
    DeepseekConfig config, long attention, long dense, long shared, long expert, long head) {

  static ScaleShape of(DeepseekConfig c) {
    long h = c.hiddenSize();
    long n = c.heads();
    long query = n * (c.nopeHeadDim() + c.ropeHeadDim());
    long queries = c.qLoraRank() == 0 ? h * query : c.qLoraRank() * (h + query);
    long latent = h * c.cacheEntry() + n * c.kvLoraRank() * (c.nopeHeadDim() + c.valueHeadDim());
    long expert = 3 * h * c.expertWidth();
    return new ScaleShape(
        c,
        queries + latent + n * c.valueHeadDim() * h,
        3 * h * c.denseWidth(),
        h * c.gate().experts() + c.sharedExperts() * expert,
        expert,
        h * c.vocabSize());
  }

  int denseLayers() {
    return Math.min(config.firstDense(), config.layers());
  }

  int moeLayers() {
    return config.layers() - denseLayers();
  }

  /** What every device holds whole, without head and embedding. */
  long replicated() {
    return config.layers() * attention + denseLayers() * dense + moeLayers() * shared;
  }

  long total() {
    return replicated() + (long) moeLayers() * config.gate().experts() * expert + 2 * head;
  }
}
