package dev.yuzui.spi;

/**
 * The constants of DeepSeek-V3.2's indexer (its report, §2.1), which chooses the cache entries that
 * a query looks at: I[t,s] = Σh w[t,h]·relu(q[t,h]·k[s]) / √(heads·head).
 *
 * @param heads Hi, of its queries; there is one key
 * @param head I, elements of a query and of the key
 * @param rope R, of these the first, which rotate in pairs (2i, 2i+1)
 * @param topK entries that a query looks at
 * @param rotated whether both are multiplied by a Hadamard matrix / √head before keys are kept: the
 *     products are the same, and what rounding takes from a key is spread over its elements. For
 *     caches of eight bits; {@code head} is a power of two then
 */
public record IndexShape(int heads, int head, int rope, int topK, boolean rotated) {

  public IndexShape {
    if (heads < 1 || rope < 0 || rope % 2 != 0 || head < rope || topK < 1) {
      throw new IllegalArgumentException(
          "IndexShape: expected an even number of elements that rotate among a head's, and an entry"
              + " to choose, found %d heads of %d, %d and %d".formatted(heads, head, rope, topK));
    }
    if (rotated && Integer.bitCount(head) != 1) {
      throw new IllegalArgumentException(
          "IndexShape: expected heads of a power of two to rotate, found " + head);
    }
  }

  /** What scores are multiplied by. */
  public float scale() {
    return (float) (1 / Math.sqrt((double) heads * head));
  }
}
