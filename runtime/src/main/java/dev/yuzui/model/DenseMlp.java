package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/**
 * down(silu(gate x) · (up x)): the FFN of the leading layers, and the shared expert.
 *
 * @param gate [F, H]
 * @param up [F, H]
 * @param down [H, F]
 */
record DenseMlp(Tensor gate, Tensor up, Tensor down) implements FeedForward {
  @Override
  public void forward(Step s, Tensor x, Tensor out) {
    Tensor h = s.rows("mlp_hidden", gate.rows());
    s.ops().gatedMlp(x, gate, up, h);
    s.ops().matmul(h, down, out);
  }
}
