package dev.yuzui.spi;

/**
 * What a layer keeps of each token under a name, in the pages that all layers' streams share.
 *
 * @param width numbers a token
 */
public record CacheStream(String name, int width) {
  /** What attention looks at; every layer has it. */
  public static final String ENTRIES = "entries";

  /** Keys by which an indexer chooses among the entries. */
  public static final String INDEX = "index";
}
