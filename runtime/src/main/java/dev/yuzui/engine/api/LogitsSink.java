package dev.yuzui.engine.api;

/** Receives logits row by row. */
@FunctionalInterface
public interface LogitsSink {
  /**
   * @param position of the token whose successor the row predicts (MTP: whose successor's
   *     successor)
   * @param logits [vocab], reused for the next row
   */
  void row(int position, float[] logits);
}
