package dev.yuzui.model;

import dev.yuzui.spi.GroupedShape;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Grouped-query attention, arXiv:2305.13245: several heads of queries read each head of keys and
 * values.
 *
 * @param query of [N·D, H]
 * @param key of [G·D, H]
 * @param value of [G·D, H]
 * @param out [H, N·D]
 * @param outBias F32 [1, H]
 */
record GroupedQueryAttention(
    int layer,
    GroupedShape shape,
    Projection query,
    Projection key,
    Projection value,
    Tensor out,
    Optional<Tensor> outBias)
    implements Attention {

  /**
   * norm(W x + b) of each head.
   *
   * @param bias F32 [1, rows of w]
   * @param norm weight F32 [1, D]
   */
  record Projection(Tensor w, Optional<Tensor> bias, Optional<Norm> norm) {

    Tensor of(Step s, int layer, Point point, Tensor x) {
      Tensor y = s.matmul(x, w);
      bias.ifPresent(b -> s.ops().addRow(y, b));
      s.tap().at(layer, point, y);
      norm.ifPresent(
          n -> {
            Tensor heads = y.reshaped(y.rows() * (y.cols() / n.weight().cols()), n.weight().cols());
            s.ops().rmsNorm(heads, n.weight(), n.eps(), heads);
          });
      return y;
    }
  }

  @Override
  public void forward(Step s, Tensor x, Tensor y) {
    forward(s, x, s, x, y);
  }

  @Override
  public void forward(Step s, Tensor x, Step some, Tensor someX, Tensor y) {
    Ops ops = some.ops();
    Tensor q = query.of(some, layer, Point.QUERY, someX);
    append(s, x);
    ops.rope(q, 0, shape.heads(), s.ropeTable(), some.batch(), q, 0);
    Tensor o = some.rows("attn_heads", (long) shape.heads() * shape.head());
    ops.attend(q, s.cache().layer(layer), shape, some.batch(), o);
    some.tap().at(layer, Point.HEADS, o);
    ops.matmul(o, out, y);
    outBias.ifPresent(b -> ops.addRow(y, b));
  }

  @Override
  public void append(Step s, Tensor x) {
    Tensor k = key.of(s, layer, Point.KEY, x);
    Tensor v = value.of(s, layer, Point.VALUE, x);
    s.ops().append(k, v, s.ropeTable(), s.cache().layer(layer), shape, s.batch());
  }
}
