package dev.yuzui.cli.scale;

import dev.yuzui.weights.AttentionConfig;
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
    long expert = 3 * h * c.expertWidth();
    return new ScaleShape(
        c,
        attention(c.attention(), h),
        3 * h * c.denseWidth(),
        h * c.gate().experts() + c.sharedExperts() * expert,
        expert,
        h * c.vocabSize());
  }

  private static long attention(AttentionConfig attention, long h) {
    return switch (attention) {
      case AttentionConfig.Latent a -> {
        long n = a.heads();
        long query = n * a.query();
        long queries = a.qLoraRank() == 0 ? h * query : a.qLoraRank() * (h + query);
        long latent = h * a.cacheEntry() + n * a.kvLoraRank() * (a.nope() + a.value());
        yield queries + latent + n * a.value() * h;
      }
      case AttentionConfig.Grouped a -> h * (2L * a.heads() * a.head() + a.cacheEntry());
      case AttentionConfig.Compressed a -> {
        long query = (long) a.heads() * a.head();
        long output = (long) a.groupRank() * (query + a.groups() * h);
        yield a.qLoraRank() * (h + query) + h * a.head() + output;
      }
    };
  }

  /** What a head multiplies of a cache entry: for its scores and for its sums. */
  int perEntry() {
    return switch (config.attention()) {
      case AttentionConfig.Latent a -> a.cacheEntry() + a.kvLoraRank();
      case AttentionConfig.Grouped a -> 2 * a.head();
      case AttentionConfig.Compressed a -> 2 * a.head();
    };
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
