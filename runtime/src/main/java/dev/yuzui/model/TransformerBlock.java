package dev.yuzui.model;

import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;

/** x += attention(norm(x)); x += ffn(norm(x)). */
record TransformerBlock(
    Norm attnNorm, MultiHeadLatentAttention attention, Norm ffnNorm, FeedForward ffn) {

  /** In place on x [T, H]. */
  void forward(Step s, Tensor x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      s.ops().add(x, attention.forward(s, s.norm(attnNorm, x)), x);
    }
    try (Scratch.Frame _ = s.scratch().frame()) {
      s.ops().add(x, ffn.forward(s, s.norm(ffnNorm, x)), x);
    }
  }
}
