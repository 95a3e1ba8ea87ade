package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/**
 * down(silu(gate x) · (up x)): the FFN of the leading layers, and the shared expert.
 *
 * @param gate [F, H]
 * @param up [F, H]
 * @param down [H, F]
 * @param limit that gate and up are clamped to; ∞ where they are not
 */
record DenseMlp(Tensor gate, Tensor up, Tensor down, float limit) implements FeedForward {
  @Override
  public void forward(Step s, Tensor x, Tensor out) {
    Tensor h = s.rows("mlp_hidden", gate.rows());
    s.ops().gatedMlp(x, gate, up, limit, h);
    s.ops().matmul(h, down, out);
  }
}
