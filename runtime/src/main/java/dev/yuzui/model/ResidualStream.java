package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/** One stream. What a layer adds to it is added by the norm that comes next. */
final class ResidualStream implements Residual {
  private final Tensor x;
  private final Tensor update;
  private boolean pending;

  /**
   * @param x [T, H], filled
   */
  ResidualStream(Step s, Tensor x) {
    this.x = x;
    this.update = s.rows("update", x.cols());
  }

  @Override
  public Tensor update() {
    pending = true;
    return update;
  }

  @Override
  public Residual moved(Step here, Step there) {
    if (pending) {
      here.ops().add(x, update, x);
    }
    Tensor y = there.rows("residual", x.cols());
    here.course().move(here.device(), x, there.device(), y);
    return new ResidualStream(there, y);
  }

  @Override
  public Residual room(Step some) {
    return new ResidualStream(some, some.rows("wanted", x.cols()));
  }

  @Override
  public void take(Step s, Residual all) {
    s.ops().embed(((ResidualStream) all).x, s.batch().outputRow(), x);
  }

  @Override
  public Tensor state(Tensor normed) {
    return normed;
  }

  @Override
  public void norm(Step s, int layer, Point point, Input input, Tensor out) {
    Norm norm = input.norm();
    if (pending) {
      s.ops().addRmsNorm(x, update, norm.weight(), norm.eps(), out);
    } else {
      s.ops().rmsNorm(x, norm.weight(), norm.eps(), out);
    }
    pending = false;
    s.tap().at(layer, point, out);
  }
}
