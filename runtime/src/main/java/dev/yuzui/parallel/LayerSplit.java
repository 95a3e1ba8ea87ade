package dev.yuzui.parallel;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Cuts a row of layers into a piece for each device, so that the fullest is as full as must be. */
public final class LayerSplit {
  private LayerSplit() {}

  /** How full a device is with some of the layers. */
  public interface Fullness {
    /**
     * @param to exclusive, more than {@code from}
     * @return what they take over what there is, finite; more than 1 does not fit
     */
    double of(int device, int from, int to);
  }

  /**
   * Of the cuts with the same worst device, the one with the least sum of squares is better.
   *
   * @param from first layer of the last device's piece, which is empty if there are no more
   */
  private record Cut(double worst, double squares, int from) {
    static final Cut NONE = new Cut(Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, 0);

    Cut with(double fullness, int from) {
      return new Cut(Math.max(worst, fullness), squares + fullness * fullness, from);
    }

    boolean betterThan(Cut other) {
      return worst < other.worst || worst == other.worst && squares < other.squares;
    }
  }

  /**
   * @return the device of each layer, ascending; a device may have none
   */
  public static List<Integer> over(int devices, int layers, Fullness fullness) {
    Cut[][] best = new Cut[devices + 1][layers + 1];
    for (int to = 0; to <= layers; to++) {
      best[0][to] = to == 0 ? new Cut(0, 0, 0) : Cut.NONE;
    }
    for (int d = 0; d < devices; d++) {
      for (int to = 0; to <= layers; to++) {
        Cut found = best[d][to].with(0, to);
        for (int from = 0; from < to; from++) {
          Cut cut = best[d][from].with(fullness.of(d, from, to), from);
          found = cut.betterThan(found) ? cut : found;
        }
        best[d + 1][to] = found;
      }
    }
    List<Integer> device = new ArrayList<>();
    int to = layers;
    for (int d = devices; d > 0; d--) {
      int from = best[d][to].from;
      device.addAll(Collections.nCopies(to - from, d - 1));
      to = from;
    }
    return device.reversed();
  }
}
