package dev.yuzui.spi;

/** Shown what products read, row by row; see {@link WatchedProvider}. */
@FunctionalInterface
public interface ProductWatcher {
  /**
   * @param weight its name as it was uploaded ({@link HostTensor#name})
   * @param matrix of a weight that has one for each head, else 0
   * @param row of the step; of an expert's input, the step's row that came to it. Those from the
   *     step's tokens on are padding
   * @param values what the weight's columns are multiplied by: {@code count} of them, from {@code
   *     from} on
   */
  void reads(String weight, int matrix, int row, float[] values, int from, int count);
}
