package dev.yuzui.model;

import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.Tensor;

/**
 * The lightning indexer, DeepSeek-V3.2 report §2.1: a small key for each token, and small queries
 * that tell which entries the layer's heads look at, all of them the same.
 *
 * @param query [Hi·I, Lq], of the latent that the layer's queries are made of
 * @param key [I, H]
 * @param keyNorm of keys, and its bias [1, I]: the mean is taken out
 * @param weights of the heads, [Hi, H]
 */
record LightningIndexer(
    int layer,
    IndexShape shape,
    Tensor query,
    Tensor key,
    Norm keyNorm,
    Tensor keyBias,
    Tensor weights) {

  /** Keeps the keys of x [T, H]. */
  void append(Step s, Tensor x) {
    Tensor k = s.matmul(x, key);
    s.tap().at(layer, Point.INDEX_KEY, k);
    s.ops()
        .appendIndex(
            k,
            keyNorm.weight(),
            keyBias,
            keyNorm.eps(),
            s.ropeTable(),
            s.cache().stream(layer, CacheStream.INDEX),
            shape,
            s.batch());
  }

  /**
   * Chooses what the rows look at.
   *
   * @param x [T, H]
   * @param latent [T, Lq]
   */
  void select(Step s, Tensor x, Tensor latent, Selection out) {
    Tensor q = s.matmul(latent, query);
    s.tap().at(layer, Point.INDEX_QUERY, q);
    s.ops().rope(q, 0, shape.heads(), s.ropeTable(), s.batch(), q, 0);
    Tensor w = s.matmul(x, weights);
    s.tap().at(layer, Point.INDEX_WEIGHTS, w);
    s.ops().select(q, w, s.cache().stream(layer, CacheStream.INDEX), shape, s.batch(), out);
    s.tap().at(layer, Point.CHOSEN_ENTRIES, out.rows());
  }
}
