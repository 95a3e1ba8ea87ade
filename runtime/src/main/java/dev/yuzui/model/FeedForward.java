package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/** The second half of a block. */
sealed interface FeedForward permits DenseMlp, DeepseekMoe {
  /** x [T, H], already normalised; out [T, H]. */
  void forward(Step s, Tensor x, Tensor out);
}
