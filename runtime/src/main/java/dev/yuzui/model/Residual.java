package dev.yuzui.model;

import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.Tensor;
import java.util.Optional;

/** What a step carries from layer to layer. */
sealed interface Residual permits ResidualStream, ResidualStreams {

  /**
   * @param x [T, S·H], filled
   * @param hyper of several streams; empty of one
   */
  static Residual of(Step s, Tensor x, Optional<HyperShape> hyper) {
    return hyper
        .<Residual>map(shape -> new ResidualStreams(s, x, shape))
        .orElseGet(() -> new ResidualStream(s, x));
  }

  /** What a sublayer, or the head, reads the residual by. */
  record Input(Norm norm, Optional<HyperConnection> mix) {}

  /** Takes what a layer adds to it, [T, H]; {@link #norm} comes before the next call. */
  Tensor update();

  /** The same on another device. */
  Residual moved(Step here, Step there);

  /**
   * What a sublayer sees of it, normalised.
   *
   * @param point where the result is seen
   * @param out [T, H]
   */
  void norm(Step s, int layer, Point point, Input input, Tensor out);

  /**
   * Room for the rows wanted, which {@link #take} fills.
   *
   * @param some the step of those rows
   */
  Residual room(Step some);

  /**
   * Becomes the rows of {@code all} that the step asks for, as they are after {@link #norm}, with
   * what they were read by.
   *
   * @param s of all rows
   */
  void take(Step s, Residual all);

  /**
   * What MTP layers begin with: the norm's result, or the streams as they are.
   *
   * @param normed what {@link #norm} gave, [T, H]
   * @return [T, S·H]
   */
  Tensor state(Tensor normed);

  /** {@link #norm} in scratch. */
  default Tensor norm(Step s, int layer, Point point, Input input) {
    Tensor weight = input.norm().weight();
    Tensor out = s.rows(weight.name(), weight.cols());
    norm(s, layer, point, input, out);
    return out;
  }
}
