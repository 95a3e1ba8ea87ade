package dev.yuzui.model;

import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;

/** x += attention(norm(x)); x += ffn(norm(x)). */
record TransformerBlock(
    Norm attnNorm, MultiHeadLatentAttention attention, Norm ffnNorm, FeedForward ffn) {

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
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = x.norm(s, layer(), Point.FFN_NORM, ffnNorm);
      Tensor y = x.update();
      ffn.forward(s, normed, y);
      s.tap().at(layer(), Point.FEED_FORWARD, y);
    }
  }
}
