package dev.yuzui.sampling;

/**
 * What drawing a token needs while it goes on, 20 bytes for each of the vocabulary: of any number
 * of {@link Sampler}s that draw one after the other.
 */
public final class SamplingScratch {
  final float[] logits;
  final Candidates candidates;

  /**
   * @param vocabulary logits of a row
   */
  public SamplingScratch(int vocabulary) {
    logits = new float[vocabulary];
    candidates = new Candidates(vocabulary);
  }

  /** Logits of a row. */
  public int vocabulary() {
    return logits.length;
  }
}
