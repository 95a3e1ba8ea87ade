package dev.yuzui.spi;

/**
 * What a layer keeps of a sequence under a name: rows in the pages that all layers' streams share,
 * and a ring of rows of its last tokens, which the sequence has for itself.
 *
 * @param width numbers a row
 * @param tokens that a row in pages stands for; 0 where nothing is kept in pages
 * @param ring rows of the last tokens that the next step needs; 0 where none are kept
 * @param exact whether rows are F32 whatever caches are kept in
 */
public record CacheStream(String name, int width, int tokens, int ring, boolean exact) {
  /** What attention looks at; every layer has it. */
  public static final String ENTRIES = "entries";

  /** Keys by which an indexer chooses among the entries. */
  public static final String INDEX = "index";

  /** What entries that stand for several tokens are pooled from. */
  public static final String POOL = "pool";

  /** What their keys are pooled from. */
  public static final String INDEX_POOL = "index_pool";

  /** A row of each token. */
  public CacheStream(String name, int width) {
    this(name, width, 1, 0, false);
  }

  /** Whether the rows of the step under way have room beside the rings. */
  public boolean staged() {
    return ring > 0 && !exact;
  }

  public Encoding encoding(Encoding caches) {
    return exact ? Encoding.F32 : caches;
  }
}
