package dev.yuzui.spi;

/**
 * The constants of multi-head latent attention.
 *
 * @param heads N
 * @param nope P, dimensions of a head without position
 * @param rope R, dimensions of a head that rotate; their key is shared by all heads
 * @param value V, dimensions of a head's value
 * @param kvLora Lkv, rank of the latent
 * @param scale of the scores: 1/√(P+R)·mscale², not 1/√(Lkv+R)
 */
public record MlaShape(int heads, int nope, int rope, int value, int kvLora, float scale) {
  /** Elements of a cache entry. */
  public int entry() {
    return kvLora + rope;
  }

  /** Elements of a head's query. */
  public int query() {
    return nope + rope;
  }
}
