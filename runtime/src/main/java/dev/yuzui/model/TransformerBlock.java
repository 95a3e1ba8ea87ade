package dev.yuzui.model;

import dev.yuzui.spi.Scratch;

/** x += attention(norm(x)); x += ffn(norm(x)). */
record TransformerBlock(
    Norm attnNorm, MultiHeadLatentAttention attention, Norm ffnNorm, FeedForward ffn) {

  void forward(Step s, Residual x) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      attention.forward(s, x.norm(s, attnNorm), x.update());
    }
    try (Scratch.Frame _ = s.scratch().frame()) {
      ffn.forward(s, x.norm(s, ffnNorm), x.update());
    }
  }
}
