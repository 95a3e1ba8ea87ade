package dev.yuzui.spi;

/**
 * The constants of grouped-query attention (arXiv:2305.13245): head h reads keys and values of head
 * h / (heads / kvHeads). As many of the one as of the other is multi-head attention, one of the
 * other multi-query attention.
 *
 * @param heads N, of queries
 * @param kvHeads G, of keys and values; divides N
 * @param head D, elements of a query, a key and a value, all of which rotate
 * @param scale of the scores: 1/√D
 */
public record GroupedShape(int heads, int kvHeads, int head, float scale) {

  public GroupedShape {
    if (kvHeads < 1 || heads % kvHeads != 0 || head < 2 || head % 2 != 0) {
      throw new IllegalArgumentException(
          "GroupedShape: expected heads that are a multiple of the key and value heads, and an even"
              + " number of elements, found %d, %d and %d".formatted(heads, kvHeads, head));
    }
  }

  /** Query heads of a key and value head. */
  public int perGroup() {
    return heads / kvHeads;
  }

  /** Elements of a cache entry: key and value of each head, one pair behind the other. */
  public int entry() {
    return 2 * kvHeads * head;
  }
}
