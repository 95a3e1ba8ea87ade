package dev.yuzui.model;

import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/**
 * Several streams, of which a layer reads a mixture and to which it writes by another: {@link
 * HyperConnection}. What a layer adds is written when the next one reads.
 */
final class ResidualStreams implements Residual {
  private final Tensor x;
  private final Tensor update;
  private final Tensor mix;
  private final HyperShape shape;
  private boolean pending;

  /**
   * @param x [T, S·H], filled
   */
  ResidualStreams(Step s, Tensor x, HyperShape shape) {
    this.x = x;
    this.shape = shape;
    this.update = s.rows("update", x.cols() / shape.streams());
    this.mix = s.rows("stream_mix", shape.kept());
  }

  @Override
  public Tensor update() {
    pending = true;
    return update;
  }

  /** All streams, as they are now, [T, S·H]. */
  Tensor settled(Step s) {
    if (pending) {
      s.ops().writeStreams(x, update, mix, shape);
      pending = false;
    }
    return x;
  }

  @Override
  public Residual moved(Step here, Step there) {
    Tensor y = there.rows("residual", x.cols());
    here.course().move(here.device(), settled(here), there.device(), y);
    return new ResidualStreams(there, y, shape);
  }

  @Override
  public Residual room(Step some) {
    return new ResidualStreams(some, some.rows("wanted", x.cols()), shape);
  }

  @Override
  public void take(Step s, Residual all) {
    ResidualStreams from = (ResidualStreams) all;
    s.ops().embed(from.x, s.batch().outputRow(), x);
    s.ops().embed(from.mix, s.batch().outputRow(), mix);
  }

  @Override
  public Tensor state(Tensor normed) {
    return x;
  }

  @Override
  public void norm(Step s, int layer, Point point, Input input, Tensor out) {
    HyperConnection by = input.mix().orElseThrow();
    boolean whole = by.fn().rows() > shape.streams();
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor read = s.rows("read", update.cols());
      Tensor mixes = s.matmul(settled(s), by.fn());
      s.ops()
          .readStreams(
              x,
              mixes,
              by.base(),
              by.scale(),
              shape,
              whole ? Optional.of(mix) : Optional.empty(),
              read);
      s.ops().rmsNorm(read, input.norm().weight(), input.norm().eps(), out);
    }
    s.tap().at(layer, point, out);
  }
}
