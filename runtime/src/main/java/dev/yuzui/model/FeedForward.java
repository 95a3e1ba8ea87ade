package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/** The second half of a block. */
sealed interface FeedForward permits DenseMlp, DeepseekMoe {
  /** x [T, H], already normalised; gives [T, H]. */
  Tensor forward(Step s, Tensor x);
}
