package dev.yuzui.engine.step;

import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.Observer;
import java.util.List;
import java.util.function.ToIntBiFunction;

/**
 * The entries that a step's rows look at, as positions in their sequences: where pages lie is each
 * engine's own affair.
 *
 * @param rows of the cache, −1 where there is none
 * @param all rows of the step
 */
record ChosenEntries(Observer.Values rows, List<Rows> all) implements Observer.Values {

  @Override
  public float[] read() {
    return translated(rows.read(), ChosenEntries::position);
  }

  @Override
  public void write(float[] positions) {
    rows.write(translated(positions, ChosenEntries::row));
  }

  private float[] translated(float[] entries, ToIntBiFunction<Sequence, Integer> to) {
    float[] out = new float[entries.length];
    int cols = entries.length / all.stream().mapToInt(part -> part.tokens().length).sum();
    int at = 0;
    for (Rows part : all) {
      for (int end = at + part.tokens().length * cols; at < end; at++) {
        int entry = (int) entries[at];
        out[at] = entry < 0 ? -1 : to.applyAsInt(part.sequence(), entry);
      }
    }
    return out;
  }

  /** −2 of a row that is not the sequence's. */
  private static int position(Sequence sequence, int row) {
    int size = sequence.pageTokens();
    for (int i = 0; i < sequence.pageCount(); i++) {
      if (sequence.page(i) == row / size) {
        return i * size + row % size;
      }
    }
    return -2;
  }

  private static int row(Sequence sequence, int position) {
    int size = sequence.pageTokens();
    return sequence.page(position / size) * size + position % size;
  }
}
