package dev.yuzui.engine;

import java.util.OptionalDouble;

/**
 * What steps of a kind have cost, by their size: running means, which follow a machine that slows
 * down or speeds up, and between sizes that came up a straight line. Used by the engine's thread.
 */
final class StepCosts {
  /** A new time counts so much. */
  private static final double SHARE = 1.0 / 8;

  /** A time counts as so many means at most: the first step of a shape is recorded as it runs. */
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
      mean[size] = before == 0 ? time : before + SHARE * (Math.min(time, MOST * before) - before);
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

  /** All steps of a size so far. */
  StepTimes.Kind total(int size) {
    return size < mean.length ? new StepTimes.Kind(count[size], nanos[size]) : StepTimes.Kind.NONE;
  }
}
