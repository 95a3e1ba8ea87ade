package dev.yuzui.model;

import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;

/** x += attention(norm(x)); x += ffn(norm(x)). */
record TransformerBlock(Norm attnNorm, Attention attention, Norm ffnNorm, FeedForward ffn) {

  int layer() {
    return attention.layer();
  }

  void forward(Step s, Residual x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = x.norm(s, layer(), Point.ATTN_NORM, attnNorm);
      Tensor y = x.update();
      attention.forward(s, normed, y);
      s.tap().at(layer(), Point.ATTENTION, y);
    }
    feedForward(s, x);
  }

  /**
   * {@link #forward} of some rows, with the cache's entries of all.
   *
   * @param start [T, H]
   * @param some the step of the rows wanted
   * @param x their rows of {@code start}
   */
  void forward(Step s, Tensor start, Step some, Residual x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = s.norm(attnNorm, start);
      s.tap().at(layer(), Point.ATTN_NORM, normed);
      Tensor y = x.update();
      attention.forward(s, normed, some, s.wanted(normed), y);
      s.tap().at(layer(), Point.ATTENTION, y);
    }
    feedForward(some, x);
  }

  /** The cache's entries of {@code start} [T, H], and nothing else. */
  void append(Step s, Tensor start) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      attention.append(s, s.norm(attnNorm, start));
    }
  }

  private void feedForward(Step s, Residual x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = x.norm(s, layer(), Point.FFN_NORM, ffnNorm);
      Tensor y = x.update();
      ffn.forward(s, normed, y);
      s.tap().at(layer(), Point.FEED_FORWARD, y);
    }
  }
}
