package dev.yuzui.ptx.machine;

import java.util.Arrays;
import java.util.List;

/**
 * What the threads of a block know of each other where more than {@code bar.sync} orders them: a
 * vector clock each, as the memory model of the PTX ISA has it. An entry of n for another says: all
 * it did before its nth step. Beside threads there are parties that no thread waits for by name:
 * the bulk copies of an mbarrier, the wgmmas of a warp.
 *
 * <p>A second clock counts what fence.proxy.async has shown to the async proxy: a wgmma sees of
 * ordinary stores, and of cp.async, only that.
 */
final class ThreadClocks {
  /** Mbarriers that a block may have. */
  static final int MBARRIERS = 64;

  private final int threads;
  private final int[] now;
  private final int[][] known;
  private final int[][] shown;

  /** What an arrival at an mbarrier hands to those who wait there. */
  record Released(int[] known, int[] shown) {}

  ThreadClocks(int threads) {
    this.threads = threads;
    int parties = threads + MBARRIERS + Math.ceilDiv(threads, Warp.LANES);
    now = new int[parties];
    known = new int[threads][parties];
    shown = new int[threads][parties];
  }

  void clear() {
    Arrays.fill(now, 1);
    for (int t = 0; t < threads; t++) {
      Arrays.fill(known[t], 0);
      Arrays.fill(shown[t], 0);
    }
  }

  int copiesOf(int mbarrier) {
    return threads + mbarrier;
  }

  int productsOf(Warp w) {
    return threads + MBARRIERS + w.index;
  }

  boolean isThread(int party) {
    return party < threads;
  }

  /** The step that {@code party} is in. */
  int now(int party) {
    return now[party];
  }

  /** Ends the step that {@code party} is in. */
  int tick(int party) {
    return now[party]++;
  }

  int[] known(int thread) {
    return known[thread];
  }

  boolean knows(int thread, int party, int step) {
    return party == thread || known[thread][party] > step;
  }

  /** What every lane of {@code w} knows. */
  int[] knownToAll(Warp w) {
    return least(known, w, true);
  }

  /** What is shown to the async proxy, as far as every lane of {@code w} knows. */
  int[] shownToAll(Warp w) {
    return least(shown, w, false);
  }

  /**
   * @param others whether what a lane did is for the others to know, and not for itself
   */
  private int[] least(int[][] clocks, Warp w, boolean others) {
    int first = w.index * Warp.LANES;
    int[] least = new int[now.length];
    Arrays.fill(least, Integer.MAX_VALUE);
    for (int t = first; t < Math.min(first + Warp.LANES, threads); t++) {
      for (int i = 0; i < least.length; i++) {
        if (t != i || !others) {
          least[i] = Math.min(least[i], clocks[t][i]);
        }
      }
    }
    return least;
  }

  void learns(int thread, int party, int step) {
    known[thread][party] = Math.max(known[thread][party], step + 1);
  }

  /** All that {@code thread} did and knows, for whoever acquires it. */
  Released release(int thread) {
    int[] all = known[thread].clone();
    all[thread] = ++now[thread];
    return new Released(all, shown[thread].clone());
  }

  /** Of {@code party}, what it did up to {@code step}. */
  Released only(int party, int step) {
    int[] known = new int[now.length];
    known[party] = step + 1;
    return new Released(known, new int[now.length]);
  }

  static Released both(Released a, Released b) {
    return new Released(joined(a.known(), b.known()), joined(a.shown(), b.shown()));
  }

  private static int[] joined(int[] a, int[] b) {
    int[] both = a.clone();
    join(both, b);
    return both;
  }

  private static void join(int[] to, int[] from) {
    for (int i = 0; i < to.length; i++) {
      to[i] = Math.max(to[i], from[i]);
    }
  }

  void acquire(int thread, Released released) {
    join(known[thread], released.known());
    join(shown[thread], released.shown());
  }

  /** A barrier: each knows what any of them knew. */
  void meet(List<Integer> met) {
    Released all = release(met.getFirst());
    for (int t : met.subList(1, met.size())) {
      all = both(all, release(t));
    }
    for (int t : met) {
      acquire(t, all);
    }
  }

  /** fence.proxy.async: what {@code thread} did and knows is there for the async proxy too. */
  void show(int thread) {
    join(shown[thread], known[thread]);
    shown[thread][thread] = ++now[thread];
  }
}
