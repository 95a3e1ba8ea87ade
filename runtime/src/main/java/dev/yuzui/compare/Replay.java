package dev.yuzui.compare;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.Observer;
import dev.yuzui.model.Point;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** Holds a backend's recorded steps to its own steps op by op, by the logits of the prompt. */
final class Replay {
  private final Engine engine;
  private final Trace trace;
  private final Map<Integer, float[]> rows = new HashMap<>();

  Replay(Engine engine, Trace trace) {
    this.engine = engine;
    this.trace = trace;
  }

  /** {@code inner}, and the logits noted beside it. */
  Observer noting(int step, Observer inner) {
    int from = trace.start(step);
    boolean prompt = trace.step(step).phase() == Phase.PROMPT;
    int last = engine.config().layers() - 1;
    int vocab = engine.config().vocabSize();
    return (layer, point, values) -> {
      if (prompt && layer == last && point == Point.LOGITS) {
        float[] logits = values.read();
        for (int t = 0; t * vocab < logits.length; t++) {
          float[] row = new float[vocab];
          System.arraycopy(logits, t * vocab, row, 0, vocab);
          rows.put(from + t, row);
        }
      }
      inner.at(layer, point, values);
    };
  }

  /**
   * A shape is recorded when it comes again: another prompt of the same length is read before, so
   * that what a replay leaves undone shows.
   */
  Deviation measure() {
    Deviation.Sum sum = new Deviation.Sum();
    int vocab = engine.config().vocabSize();
    int[] others = Arrays.stream(trace.promptTokens()).map(t -> (t + 1) % vocab).toArray();
    engine.logits(others, (_, _) -> {});
    engine.logits(
        trace.promptTokens(), (position, row) -> sum.add(row, rows.get(position), 0, row.length));
    return sum.total();
  }
}
