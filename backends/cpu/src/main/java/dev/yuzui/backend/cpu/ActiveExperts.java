package dev.yuzui.backend.cpu;

import dev.yuzui.spi.Dispatch;

/**
 * Which experts have rows in the step at hand, and how many an op takes, and where those lie among
 * the sorted places.
 */
final class ActiveExperts {
  private final long offset;
  private final int[] active;
  private final int least;
  private final int most;

  /** Those with at least one row. */
  ActiveExperts(Dispatch dispatch) {
    this(dispatch, 1, Integer.MAX_VALUE);
  }

  /** Those with rows from {@code least} to {@code most}. */
  ActiveExperts(Dispatch dispatch, int least, int most) {
    this.least = least;
    this.most = most;
    offset = HostBuffer.address(dispatch.offset());
    active = new int[dispatch.experts()];
  }

  /** Looks at device memory: once a run, by one thread. */
  int count() {
    int n = 0;
    for (int e = 0; e < active.length; e++) {
      int rows = first(e + 1) - first(e);
      if (rows >= least && rows <= most) {
        active[n++] = e;
      }
    }
    return n;
  }

  /** The i-th of those that {@link #count} counted. */
  int expert(int i) {
    return active[i];
  }

  /** The first place of an expert, or behind the last one. */
  int first(int expert) {
    return Memory.i32(offset + 4L * expert);
  }
}
