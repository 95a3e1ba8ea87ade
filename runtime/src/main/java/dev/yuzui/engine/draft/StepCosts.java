package dev.yuzui.engine.draft;

import dev.yuzui.engine.api.StepTimes;
import java.util.OptionalDouble;

/**
 * What steps of a kind have cost, by their size: running means, which follow a machine that slows
 * down or speeds up, and between sizes that came up a straight line. They follow downwards faster,
 * for a size that is seldom tried has to lose what its first steps took, recorded as they ran and
 * in code not compiled yet. Used by the engine's thread.
 */
final class StepCosts {
  /** A longer time counts so much. */
  private static final double UP = 1.0 / 8;

  /** A shorter one. */
  private static final double DOWN = 1.0 / 2;

  /** A time counts as so many means at most: what disturbed it may not come again. */
  private static final double MOST = 3;

  private final double[] mean;
  private final long[] nanos;
  private final long[] count;

  StepCosts(int most) {
    mean = new double[most + 1];
    nanos = new long[most + 1];
    count = new long[most + 1];
  }

  void add(int size, long time) {
    if (size < mean.length) {
      double before = mean[size];
      double share = time < before ? DOWN : UP;
      mean[size] = before == 0 ? time : before + share * (Math.min(time, MOST * before) - before);
      nanos[size] += time;
      count[size]++;
    }
  }

  /** Nanoseconds; empty unless sizes up to and from this one have come up. */
  OptionalDouble at(int size) {
    int below = Math.min(size, mean.length - 1);
    while (below > 0 && mean[below] == 0) {
      below--;
    }
    int above = size;
    while (above < mean.length && mean[above] == 0) {
      above++;
    }
    if (below <= 0 || above >= mean.length) {
      return OptionalDouble.empty();
    }
    double part = above == below ? 0 : (double) (size - below) / (above - below);
    return OptionalDouble.of(mean[below] + part * (mean[above] - mean[below]));
  }

  /** All steps of these sizes so far. */
  StepTimes.Kind total(int least, int most) {
    long steps = 0;
    long time = 0;
    for (int size = least; size <= Math.min(most, mean.length - 1); size++) {
      steps += count[size];
      time += nanos[size];
    }
    return new StepTimes.Kind(steps, time);
  }
}
