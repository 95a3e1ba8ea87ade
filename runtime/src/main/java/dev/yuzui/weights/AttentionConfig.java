package dev.yuzui.weights;

import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.MlaShape;
import java.util.List;
import java.util.Optional;
import java.util.Set;

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

  /** Cache entries that a layer weighs for a token which {@code tokens} are visible to. */
  long looked(int layer, long tokens);

  /** Numbers of the cache that a layer reads for such a token: entries, and what chooses them. */
  default long read(int layer, long tokens) {
    return looked(layer, tokens) * cacheEntry();
  }

  /**
   * Multi-head latent attention, DeepSeek-V2 report §2.1.
   *
   * @param qLoraRank 0: queries are projected directly
   * @param nope elements of a head without position, which {@code rope} more follow
   * @param normEps of q_a and kv_a norms: published code fixes 1e-6, GGUF runtimes use the file's
   * @param indexer of sparse attention; empty where every entry is looked at
   */
  record Latent(
      int heads,
      int qLoraRank,
      int kvLoraRank,
      int nope,
      int rope,
      int value,
      float normEps,
      Optional<Indexer> indexer)
      implements AttentionConfig {

    public Latent(
        int heads, int qLoraRank, int kvLoraRank, int nope, int rope, int value, float normEps) {
      this(heads, qLoraRank, kvLoraRank, nope, rope, value, normEps, Optional.empty());
    }

    /** Whether the layer has an indexer of its own. */
    public boolean indexes(int layer) {
      return indexer.filter(i -> !i.shared().contains(layer)).isPresent();
    }

    @Override
    public int cacheEntry() {
      return kvLoraRank + rope;
    }

    @Override
    public long looked(int layer, long tokens) {
      return indexer.map(i -> Math.min(tokens, i.topK())).orElse(tokens);
    }

    @Override
    public long read(int layer, long tokens) {
      long keys = indexes(layer) ? tokens * indexer.orElseThrow().head() : 0;
      return looked(layer, tokens) * cacheEntry() + keys;
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
   * What chooses the entries that a query looks at, DeepSeek-V3.2 report §2.1: the lightning
   * indexer. Of a head's elements the first {@link AttentionConfig#rope} rotate.
   *
   * @param heads of its queries; there is one key
   * @param head elements of a query and of the key
   * @param topK entries that a query looks at
   * @param halves whether a pair that rotates is (i, i + R/2), not (2i, 2i + 1)
   * @param shared layers without an indexer, which look at what the last layer before them that has
   *     one chose (GLM-5.2)
   */
  record Indexer(int heads, int head, int topK, boolean halves, Set<Integer> shared) {
    /** Of the norm of the keys, in DeepSeek's and GLM's code. */
    public static final float NORM_EPS = 1e-6f;

    public Indexer {
      shared = Set.copyOf(shared);
    }

    /**
     * @param rope elements of a head that rotate
     * @param rotated whether its numbers are spread before they are rounded
     */
    public IndexShape shape(int rope, boolean rotated) {
      return new IndexShape(heads, head, rope, topK, rotated);
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
    public long looked(int layer, long tokens) {
      return tokens;
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

  /**
   * Compressed attention, DeepSeek-V4 report §2.3: a row of D numbers is key and value of all
   * heads. A query looks at the rows of the last {@code window} tokens and, where the layer has a
   * ratio, at rows that stand for that many tokens each. The last {@link #rope} elements of queries
   * and rows rotate, and those of the heads' sums are rotated back.
   *
   * @param head D, elements of a query and of a row
   * @param groups of consecutive heads, whose sums are each projected to {@code groupRank} numbers
   *     before all of them become the output
   * @param window tokens whose own rows a query sees, itself among them
   * @param ratios of each layer but MTP layers: tokens that a compressed row stands for; 0 where
   *     the layer has the window alone, as MTP layers do
   * @param compressed how queries and rows of layers with a ratio rotate, the window's rows too;
   *     those of the others as the model does
   * @param indexer of the layers whose ratio is {@link #OVERLAPPED}
   * @param qat whether rows and the indexer's numbers are rounded as they were in training
   */
  record Compressed(
      int heads,
      int head,
      int rope,
      int qLoraRank,
      int groups,
      int groupRank,
      int window,
      List<Integer> ratios,
      Rope compressed,
      BlockIndexer indexer,
      boolean qat)
      implements AttentionConfig {

    /**
     * The ratio whose rows are made of their own block and the one before it, and chosen by an
     * indexer (CSA); those of others are made of their block alone, and all are looked at (HCA).
     */
    public static final int OVERLAPPED = 4;

    public Compressed {
      ratios = List.copyOf(ratios);
    }

    /** Tokens that a compressed row of the layer stands for; 0 where it has none. */
    public int ratio(int layer) {
      return layer < ratios.size() ? ratios.get(layer) : 0;
    }

    public boolean compresses(int layer) {
      return ratio(layer) > 0;
    }

    /** Whether the layer's compressed rows overlap and are chosen. */
    public boolean indexes(int layer) {
      return ratio(layer) == OVERLAPPED;
    }

    /** What a layer keeps: rows of its window, and rows of blocks with what they are made of. */
    List<CacheStream> streams(int layer) {
      int ratio = ratio(layer);
      CacheStream rows = new CacheStream(CacheStream.ENTRIES, head, ratio, window, false);
      if (ratio == 0) {
        return List.of(rows);
      }
      int shares = shares(layer);
      CacheStream pool =
          new CacheStream(CacheStream.POOL, 2 * shares * head, 0, shares * ratio, true);
      if (!indexes(layer)) {
        return List.of(rows, pool);
      }
      return List.of(
          rows,
          pool,
          new CacheStream(CacheStream.INDEX, indexer.head(), ratio, 0, false),
          new CacheStream(
              CacheStream.INDEX_POOL, 2 * shares * indexer.head(), 0, shares * ratio, true));
    }

    /** Tokens of which every block may be looked at. */
    int denseTokens() {
      return ratios.contains(OVERLAPPED)
          ? Math.toIntExact(Math.min(Integer.MAX_VALUE, OVERLAPPED * (indexer.topK() + 1L) - 1))
          : Integer.MAX_VALUE;
    }

    /** Pages hold whole blocks of every layer. */
    int pageUnit() {
      return ratios.stream().filter(r -> r > 0).max(Integer::compare).orElse(1);
    }

    /** Blocks that one token's projections go into: c, of the widths of compressors. */
    public int shares(int layer) {
      return indexes(layer) ? 2 : 1;
    }

    @Override
    public int cacheEntry() {
      return head;
    }

    @Override
    public long looked(int layer, long tokens) {
      long blocks = blocks(layer, tokens);
      return Math.min(tokens, window)
          + (indexes(layer) ? Math.min(blocks, indexer.topK()) : blocks);
    }

    @Override
    public long read(int layer, long tokens) {
      long keys = indexes(layer) ? blocks(layer, tokens) * indexer.head() : 0;
      return looked(layer, tokens) * head + keys;
    }

    private long blocks(int layer, long tokens) {
      return compresses(layer) ? tokens / ratio(layer) : 0;
    }

    @Override
    public int query() {
      return head;
    }

    @Override
    public int value() {
      return head;
    }
  }

  /**
   * What chooses compressed rows: queries against a small key for each of them, made as the rows
   * are. The last {@link AttentionConfig#rope} elements of both rotate.
   *
   * @param heads of its queries; there is one key
   * @param head elements of a query and of the key
   * @param topK compressed rows that a query looks at
   */
  record BlockIndexer(int heads, int head, int topK) {}
}
