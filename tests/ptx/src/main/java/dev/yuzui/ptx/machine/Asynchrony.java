package dev.yuzui.ptx.machine;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a block of sm_90a has beside its warps: mbarriers, bulk copies, and clocks that see both.
 */
final class Asynchrony {
  final ThreadClocks clocks;
  final ClockTrace trace;
  private final Block block;
  private final Map<Integer, Mbarrier> mbarriers = new HashMap<>();
  private final List<MbarrierOps.Copy> bulk = new ArrayList<>();
  private int moves;

  Asynchrony(Block block, int threads, int sharedBytes) {
    this.block = block;
    clocks = new ThreadClocks(threads);
    trace = new ClockTrace(sharedBytes, clocks);
  }

  void clear() {
    clocks.clear();
    mbarriers.clear();
    bulk.clear();
  }

  // ---- mbarriers
  // --------------------------------------------------------------------------------

  void make(Warp w, int lane, int offset, int expected) {
    if (mbarriers.size() == ThreadClocks.MBARRIERS || mbarriers.containsKey(offset)) {
      throw w.fault("lane " + lane + ": one mbarrier too many");
    }
    int thread = w.index * Warp.LANES + lane;
    int step = clocks.tick(thread);
    int copies = clocks.copiesOf(mbarriers.size());
    mbarriers.put(offset, new Mbarrier(expected, thread, step, copies));
  }

  /** The mbarrier that a lane means, which must know that it was made. */
  Mbarrier mbarrier(Warp w, int lane, int offset) {
    Mbarrier barrier = mbarriers.get(offset);
    if (barrier == null) {
      throw w.fault("lane %d: no mbarrier was made at byte %d".formatted(lane, offset));
    }
    int thread = w.index * Warp.LANES + lane;
    if (!clocks.knows(thread, barrier.maker, barrier.step)) {
      w.hazard(Hazard.Kind.RACE_IN_BLOCK, offset, "made by thread " + barrier.maker, thread);
    }
    return barrier;
  }

  /** fence.mbarrier_init: what these lanes made is there for the async proxy. */
  void showMbarriers(Warp w, int mask) {
    for (Mbarrier b : mbarriers.values()) {
      if (b.maker / Warp.LANES == w.index && (mask >>> b.maker % Warp.LANES & 1) != 0) {
        b.shown = true;
      }
    }
  }

  /** Somebody arrived, or went on: those who wait may look again. */
  void moved() {
    moves++;
  }

  int moves() {
    return moves;
  }

  // ---- bulk copies
  // ------------------------------------------------------------------------------

  void departs(MbarrierOps.Copy copy) {
    bulk.add(copy);
  }

  boolean anyUnderWay() {
    return !bulk.isEmpty();
  }

  /** One of the copies under way arrives. */
  void land(boolean oldest) {
    MbarrierOps.Copy copy = oldest ? bulk.removeFirst() : bulk.removeLast();
    System.arraycopy(copy.data(), 0, block.shared, copy.to(), copy.data().length);
    Mbarrier barrier = copy.barrier();
    int step = clocks.tick(barrier.copies);
    trace.landed(copy.to(), copy.data().length, barrier.copies, step);
    barrier.come(copy.data().length, clocks.only(barrier.copies, step));
    moved();
  }
}
