package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/** A layer's attention, one class for each paper's. x and y are [T, H]; x is normalised already. */
sealed interface Attention
    permits MultiHeadLatentAttention, GroupedQueryAttention, CompressedAttention {
  int layer();

  void forward(Step s, Tensor x, Tensor y);

  /**
   * {@link #forward} of some rows, with the cache's entries of all.
   *
   * @param some the step of the rows wanted, someX [M, H] those of x, y [M, H]
   */
  void forward(Step s, Tensor x, Step some, Tensor someX, Tensor y);

  /** The cache's entries of x. */
  void append(Step s, Tensor x);
}
