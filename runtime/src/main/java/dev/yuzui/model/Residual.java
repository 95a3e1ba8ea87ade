package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/** The residual stream of a step. What a layer adds to it is added by the norm that comes next. */
final class Residual {
  private final Tensor x;
  private final Tensor update;
  private boolean pending;

  /**
   * @param x [T, H], filled
   */
  Residual(Step s, Tensor x) {
    this.x = x;
    this.update = s.rows("update", x.cols());
  }

  /** Takes what a layer adds to the stream, [T, H]; a norm comes before the next call. */
  Tensor update() {
    pending = true;
    return update;
  }

  /** The stream on another device. */
  Residual moved(Step here, Step there) {
    if (pending) {
      here.ops().add(x, update, x);
    }
    Tensor y = there.rows("residual", x.cols());
    here.course().move(here.device(), x, there.device(), y);
    return new Residual(there, y);
  }

  /** The stream normalised, in scratch. */
  Tensor norm(Step s, int layer, Point point, Norm norm) {
    Tensor out = s.rows(norm.weight().name(), x.cols());
    norm(s, layer, point, norm, out);
    return out;
  }

  /**
   * @param point where the result is seen
   */
  void norm(Step s, int layer, Point point, Norm norm, Tensor out) {
    if (pending) {
      s.ops().addRmsNorm(x, update, norm.weight(), norm.eps(), out);
    } else {
      s.ops().rmsNorm(x, norm.weight(), norm.eps(), out);
    }
    pending = false;
    s.tap().at(layer, point, out);
  }
}
