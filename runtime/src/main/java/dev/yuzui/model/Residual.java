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

  /** The stream normalised, in scratch. */
  Tensor norm(Step s, Norm norm) {
    Tensor out = s.rows(norm.weight().name(), x.cols());
    norm(s, norm, out);
    return out;
  }

  void norm(Step s, Norm norm, Tensor out) {
    if (pending) {
      s.ops().addRmsNorm(x, update, norm.weight(), norm.eps(), out);
    } else {
      s.ops().rmsNorm(x, norm.weight(), norm.eps(), out);
    }
    pending = false;
  }
}
