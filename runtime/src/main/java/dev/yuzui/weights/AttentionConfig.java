package dev.yuzui.weights;

import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.MlaShape;

/** The constants of a model's attention, a record for each kind. */
public sealed interface AttentionConfig {
  /** Of queries. */
  int heads();

  /** Numbers of one cache entry, per token and layer. */
  int cacheEntry();

  /** Elements of a head that rotate. */
  int rope();

  /** Elements of a head's query and of its key. */
  int query();

  /** Elements of a head's value. */
  int value();

  /**
   * Multi-head latent attention, DeepSeek-V2 report §2.1.
   *
   * @param qLoraRank 0: queries are projected directly
   * @param nope elements of a head without position, which {@code rope} more follow
   * @param normEps of q_a and kv_a norms: published code fixes 1e-6, GGUF runtimes use the file's
   */
  record Latent(
      int heads, int qLoraRank, int kvLoraRank, int nope, int rope, int value, float normEps)
      implements AttentionConfig {
    @Override
    public int cacheEntry() {
      return kvLoraRank + rope;
    }

    @Override
    public int query() {
      return nope + rope;
    }

    /**
     * @param scale of the scores
     */
    public MlaShape shape(double scale) {
      return new MlaShape(heads, nope, rope, value, kvLoraRank, (float) scale);
    }
  }

  /**
   * Grouped-query attention, arXiv:2305.13245.
   *
   * @param kvHeads of keys and values, each read by heads / kvHeads heads
   * @param head elements of a query, a key and a value, all of which rotate
   * @param biases whether queries, keys and values have one
   * @param norms whether queries and keys are RMS-normalised, head by head, before they rotate
   */
  record Grouped(int heads, int kvHeads, int head, boolean biases, boolean norms)
      implements AttentionConfig {
    @Override
    public int cacheEntry() {
      return 2 * kvHeads * head;
    }

    @Override
    public int rope() {
      return head;
    }

    @Override
    public int query() {
      return head;
    }

    @Override
    public int value() {
      return head;
    }

    /**
     * @param scale of the scores
     */
    public GroupedShape shape(double scale) {
      return new GroupedShape(heads, kvHeads, head, (float) scale);
    }
  }
}
