package dev.yuzui.model;

import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;

/** x += attention(norm(x)); x += ffn(norm(x)). */
record TransformerBlock(
    Residual.Input attnInput, Attention attention, Residual.Input ffnInput, FeedForward ffn) {

  int layer() {
    return attention.layer();
  }

  void forward(Step s, Residual x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = x.norm(s, layer(), Point.ATTN_NORM, attnInput);
      Tensor y = x.update();
      attention.forward(s, normed, y);
      s.tap().at(layer(), Point.ATTENTION, y);
    }
    feedForward(s, x);
  }

  /**
   * {@link #forward} of some rows, with the cache's entries of all.
   *
   * @param all of the step
   * @param some the step of the rows wanted
   * @param x {@linkplain Residual#room room} for them
   */
  void forward(Step s, Residual all, Step some, Residual x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = all.norm(s, layer(), Point.ATTN_NORM, attnInput);
      x.take(s, all);
      Tensor y = x.update();
      attention.forward(s, normed, some, s.wanted(normed), y);
      s.tap().at(layer(), Point.ATTENTION, y);
    }
    feedForward(some, x);
  }

  /** The cache's entries of {@code x}, and nothing else. */
  void append(Step s, Residual x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      attention.append(s, x.norm(s, layer(), Point.ATTN_NORM, attnInput));
    }
  }

  private void feedForward(Step s, Residual x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = x.norm(s, layer(), Point.FFN_NORM, ffnInput);
      Tensor y = x.update();
      ffn.forward(s, normed, y);
      s.tap().at(layer(), Point.FEED_FORWARD, y);
    }
  }
}
