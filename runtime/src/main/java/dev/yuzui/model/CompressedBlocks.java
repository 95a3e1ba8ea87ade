package dev.yuzui.model;

import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.Ring;
import dev.yuzui.spi.Rounding;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * The rows that stand for blocks of a layer's tokens.
 *
 * @param rows makes them
 * @param indexer chooses among them; empty where all are looked at
 */
record CompressedBlocks(int layer, Compressor rows, Optional<Indexer> indexer) {

  /**
   * Pools the rows of a block into one, by weights for each element.
   *
   * @param stream that the rows are kept in
   * @param state that keeps what they are made of
   * @param kv [c·D, H]; c = 2 where blocks overlap
   * @param gate [c·D, H]
   * @param ape F32 [tokens, c·D], added to the gates by a token's place in its block
   * @param angles [context, R]
   */
  record Compressor(
      int layer,
      String stream,
      String state,
      Tensor kv,
      Tensor gate,
      Tensor ape,
      Norm norm,
      Tensor angles,
      Rounding rounding) {

    void append(Step s, Tensor x) {
      Tensor both = s.rows(state, 2 * ape.cols());
      s.ops().concat(s.matmul(x, kv), s.matmul(x, gate), both);
      Ring ring = s.cache().ring(layer, state);
      s.ops()
          .appendBlock(
              both,
              ape,
              norm.weight(),
              norm.eps(),
              angles,
              rounding,
              ring,
              s.cache().stream(layer, stream),
              s.batch());
      s.ops().keep(both, ring, s.batch());
    }
  }

  /**
   * DeepSeek-V3.2's lightning indexer over the keys of blocks.
   *
   * @param keys makes them
   * @param query [Hi·I, Lq]
   * @param weights [Hi, H]
   */
  record Indexer(int layer, IndexShape shape, Compressor keys, Tensor query, Tensor weights) {

    /**
     * Chooses what the rows look at.
     *
     * @param s the step as blocks see it
     * @param x [T, H]
     * @param latent [T, Lq]
     */
    void select(Step s, Tensor x, Tensor latent, Selection out) {
      Tensor q = s.matmul(latent, query);
      s.tap().at(layer, Point.INDEX_QUERY, q);
      int from = shape.head() - shape.rope();
      s.ops().rope(q, from, shape.heads(), keys.angles(), s.batch(), q, from);
      if (keys.rounding() != Rounding.NONE) {
        s.ops().round(q, shape.heads(), shape.rope(), keys.rounding());
      }
      Tensor w = s.matmul(x, weights);
      s.tap().at(layer, Point.INDEX_WEIGHTS, w);
      s.ops().select(q, w, s.cache().stream(layer, CacheStream.INDEX), shape, s.batch(), out);
    }
  }

  /** Of a block. */
  int tokens() {
    return (int) rows.ape().rows();
  }

  /** Rows that a query looks at, at most. */
  int most(int context) {
    int all = context / tokens();
    return indexer.map(i -> Math.min(all, i.shape().topK())).orElse(all);
  }

  void append(Step s, Tensor x) {
    rows.append(s, x);
    indexer.ifPresent(i -> i.keys().append(s, x));
  }
}
