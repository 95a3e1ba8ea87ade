package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/**
 * Shown the tensors of a step when what computes them is enqueued. For steps that run op by op: it
 * waits for the queue, reads, and may write what the step is to go on with.
 */
@FunctionalInterface
public interface Tap {
  /**
   * @param layer MTP layers count on from the main model's; what comes after the last layer is told
   *     with its number
   * @param tensor of {@link Point#CHOSEN_ENTRIES} the cache's rows, {@link
   *     dev.yuzui.spi.Selection#rows}
   */
  void at(int layer, Point point, Tensor tensor);

  /** Looks at nothing. */
  static Tap none() {
    return (_, _, _) -> {};
  }
}
