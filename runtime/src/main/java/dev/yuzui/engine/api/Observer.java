package dev.yuzui.engine.api;

import dev.yuzui.engine.Session;
import dev.yuzui.model.Point;

/** Shown what a model computes, part by part, while it computes it; see {@link Session#observe}. */
@FunctionalInterface
public interface Observer {
  /**
   * @param layer MTP layers count on from the main model's
   */
  void at(int layer, Point point, Values values);

  /** The numbers of a part, a row per token. Good while the observer is shown them. */
  interface Values {
    /** Expert ids and positions, which are integers, as well. */
    float[] read();

    /** What the step is to go on with; as many as {@link #read} gives. */
    void write(float[] values);
  }
}
