package dev.yuzui.compare;

import dev.yuzui.engine.api.Observer;
import dev.yuzui.model.Point;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** Takes a backend through a trace and measures how far it is from it. */
public final class Pass {
  private final Trace trace;
  private final Optional<IndexScores> scores;
  private final boolean isolated;
  final Map<Place, Deviation.Sum> sums = new LinkedHashMap<>();
  final Map<Place, Agreement.Sum> agreements = new LinkedHashMap<>();

  /**
   * @param scores of the trace, where the model has an indexer and choices are judged by them
   * @param isolated whether every part goes on with the trace's numbers, so that its error is its
   *     own; otherwise errors add up
   */
  Pass(Trace trace, Optional<IndexScores> scores, boolean isolated) {
    this.trace = trace;
    this.scores = scores;
    this.isolated = isolated;
  }

  Observer observer(int step) {
    return new StepPass(step, trace.step(step));
  }

  private final class StepPass implements Observer {
    private final int index;
    private final Phase phase;
    private final int tokens;
    private float[] ids = new float[0];
    private float[] shared = new float[0];

    StepPass(int index, Trace.Step step) {
      this.index = index;
      this.phase = step.phase();
      this.tokens = step.tokens().length;
    }

    @Override
    public void at(int layer, Point point, Values values) {
      float[] found = values.read();
      float[] wanted = trace.at(index, layer, point);
      Place place = new Place(phase, layer, point);
      Deviation.Sum sum = sums.computeIfAbsent(place, _ -> new Deviation.Sum());
      switch (point) {
        case CHOSEN_ENTRIES -> entries(layer, found, wanted, sum);
        case EXPERT_IDS -> choices(found, wanted, sum);
        case EXPERT_WEIGHTS -> weights(layer, found, wanted, sum);
        case FEED_FORWARD -> feedForward(layer, found, wanted, sum);
        case LOGITS -> logits(place, found, wanted, sum);
        default -> rows(found, wanted, sum);
      }
      if (point == Point.SHARED) {
        shared = isolated ? wanted : found;
      }
      if (isolated) {
        values.write(wanted);
      }
    }

    private void rows(float[] found, float[] wanted, Deviation.Sum sum) {
      int cols = wanted.length / tokens;
      for (int t = 0; t < tokens; t++) {
        sum.add(found, wanted, t * cols, (t + 1) * cols);
      }
    }

    private void entries(int layer, float[] found, float[] wanted, Deviation.Sum sum) {
      int cols = wanted.length / tokens;
      for (int t = 0; t < tokens; t++) {
        int row = t;
        sum.addChoice(
            EntryChoice.of(
                found,
                wanted,
                t * cols,
                (t + 1) * cols,
                trace.start(index) + t + 1,
                scores.map(s -> entries -> s.row(index, layer, row, entries))));
      }
    }

    private void choices(float[] found, float[] wanted, Deviation.Sum sum) {
      ids = found;
      int used = wanted.length / tokens;
      for (int t = 0; t < tokens; t++) {
        int missed = 0;
        for (int k = 0; k < used; k++) {
          missed += choice(wanted, t, used, found[t * used + k]) < 0 ? 1 : 0;
        }
        sum.addChoices(missed, used);
      }
    }

    /** Where token t chose {@code expert}, or −1. */
    private static int choice(float[] ids, int t, int used, float expert) {
      for (int i = t * used; i < (t + 1) * used; i++) {
        if (ids[i] == expert) {
          return i;
        }
      }
      return -1;
    }

    /** Of the experts that both chose. */
    private void weights(int layer, float[] found, float[] wanted, Deviation.Sum sum) {
      float[] wantedIds = trace.at(index, layer, Point.EXPERT_IDS);
      int used = wanted.length / tokens;
      for (int t = 0; t < tokens; t++) {
        float[] mine = new float[used];
        float[] theirs = new float[used];
        for (int k = 0; k < used; k++) {
          int there = choice(wantedIds, t, used, ids[t * used + k]);
          if (there >= 0) {
            mine[k] = found[t * used + k];
            theirs[k] = wanted[there];
          }
        }
        sum.add(mine, theirs, 0, used);
      }
    }

    /** Where there is a shared expert, what the routed ones added to it. */
    private void feedForward(int layer, float[] found, float[] wanted, Deviation.Sum sum) {
      if (trace.has(index, layer, Point.SHARED)) {
        float[] theirs = trace.at(index, layer, Point.SHARED);
        rows(minus(found, shared), minus(wanted, theirs), sum);
      } else {
        rows(found, wanted, sum);
      }
    }

    private static float[] minus(float[] a, float[] b) {
      float[] out = new float[a.length];
      for (int i = 0; i < out.length; i++) {
        out[i] = a[i] - b[i];
      }
      return out;
    }

    private void logits(Place place, float[] found, float[] wanted, Deviation.Sum sum) {
      rows(found, wanted, sum);
      Agreement.Sum agreement = agreements.computeIfAbsent(place, _ -> new Agreement.Sum());
      int vocab = wanted.length / tokens;
      for (int t = 0; t < tokens; t++) {
        agreement.add(found, wanted, t * vocab, (t + 1) * vocab);
      }
    }
  }
}
