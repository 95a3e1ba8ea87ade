package dev.yuzui.ptx.machine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Shared memory where mbarriers order: of each byte who wrote it last and who has read it since, by
 * {@link ThreadClocks}. A set of readers is a number, since few sets are many bytes'.
 *
 * <p>An ordinary read and then a bulk copy to the same place want an mbarrier between, and no
 * fence.proxy.async: as everybody's kernels have it.
 */
final class ClockTrace implements SharedTrace {
  private static final byte FLYING = 1;

  /** Written by the async proxy. */
  private static final byte ASYNC = 2;

  private record Reader(int party, int step) {}

  /** Readers {@code before}, and one more: {@code party} at {@code step}. */
  private record Growth(int before, int party, int step) {}

  private final ThreadClocks clocks;
  private final int[] writer;
  private final int[] written;
  private final byte[] flags;
  private final int[] readers;
  private final List<List<Reader>> sets = new ArrayList<>();
  private final Map<List<Reader>, Integer> numbers = new HashMap<>();
  private final Map<Growth, Integer> growths = new HashMap<>();

  ClockTrace(int bytes, ThreadClocks clocks) {
    this.clocks = clocks;
    writer = new int[bytes];
    written = new int[bytes];
    flags = new byte[bytes];
    readers = new int[bytes];
  }

  @Override
  public void clear() {
    Arrays.fill(writer, -1);
    Arrays.fill(flags, (byte) 0);
    Arrays.fill(readers, 0);
    sets.clear();
    numbers.clear();
    growths.clear();
    sets.add(List.of());
    numbers.put(List.of(), 0);
  }

  private static int thread(Warp w, int lane) {
    return w.index * Warp.LANES + lane;
  }

  @Override
  public void access(Access.Kind kind, int from, int bytes, Warp w, int lane) {
    int t = thread(w, lane);
    boolean reads = kind == Access.Kind.READ || kind == Access.Kind.READ_CONSTANT;
    for (int i = from; i < from + bytes; i++) {
      afterWrite(i, t, clocks.known(t), w);
      if (!reads) {
        afterReads(i, t, w);
        wrote(i, t, clocks.now(t), 0);
      }
    }
    if (reads) {
      grow(from, bytes, t, clocks.now(t), clocks.known(t));
    }
  }

  private void wrote(int i, int party, int step, int how) {
    writer[i] = party;
    written[i] = step;
    flags[i] = (byte) how;
    readers[i] = 0;
  }

  @Override
  public void departs(int from, int bytes, Warp w, int lane) {
    int t = thread(w, lane);
    for (int i = from; i < from + bytes; i++) {
      afterWrite(i, t, clocks.known(t), w);
      afterReads(i, t, w);
      wrote(i, t, clocks.now(t), FLYING);
    }
  }

  @Override
  public void arrived(int from, int bytes, Warp w, int lane) {
    int t = thread(w, lane);
    for (int i = from; i < from + bytes; i++) {
      wrote(i, t, clocks.now(t), 0);
    }
  }

  /** A bulk copy has arrived: its mbarrier's to tell. */
  void landed(int from, int bytes, int party, int step) {
    for (int i = from; i < from + bytes; i++) {
      wrote(i, party, step, ASYNC);
    }
  }

  /**
   * A wgmma of {@code w} reads until somebody waits for it.
   *
   * @param known to all its lanes
   * @param shown to the async proxy, as far as they know
   */
  void product(int from, int bytes, Warp w, int step, int[] known, int[] shown) {
    int party = clocks.productsOf(w);
    int first = thread(w, 0);
    for (int i = from; i < from + bytes; i++) {
      afterWrite(i, first, known, w);
      if (writer[i] >= 0 && flags[i] == 0 && shown[writer[i]] <= written[i]) {
        w.hazard(
            Hazard.Kind.NOT_SHOWN,
            i,
            "written by thread " + writer[i] + " with no fence.proxy.async since",
            first);
      }
    }
    grow(from, bytes, party, step, known);
  }

  /** Neighbours mostly have the same readers. */
  private void grow(int from, int bytes, int party, int step, int[] known) {
    int before = -1;
    int after = -1;
    for (int i = from; i < from + bytes; i++) {
      if (readers[i] != before) {
        before = readers[i];
        after = grown(before, party, step, known);
      }
      readers[i] = after;
    }
  }

  private void afterWrite(int i, int t, int[] known, Warp w) {
    int other = writer[i];
    if (other < 0) {
      return;
    }
    if (flags[i] == FLYING) {
      w.hazard(Hazard.Kind.COPY_IN_FLIGHT, i, "a copy of thread " + other + " is under way", t);
    } else if (other != t && known[other] <= written[i]) {
      race(i, other, t, w, "written");
    }
  }

  private void afterReads(int i, int t, Warp w) {
    for (Reader r : sets.get(readers[i])) {
      if (!clocks.knows(t, r.party(), r.step())) {
        race(i, r.party(), t, w, "read");
      }
    }
  }

  private void race(int i, int other, int t, Warp w, String what) {
    Hazard.Kind kind =
        !clocks.isThread(other)
            ? what.equals("read") ? Hazard.Kind.PRODUCT_IN_FLIGHT : Hazard.Kind.COPY_IN_FLIGHT
            : other / Warp.LANES == t / Warp.LANES
                ? Hazard.Kind.RACE_IN_WARP
                : Hazard.Kind.RACE_IN_BLOCK;
    w.hazard(kind, i, what + " by " + name(other), t);
  }

  private String name(int party) {
    return clocks.isThread(party) ? "thread " + party : "an asynchronous copy or product";
  }

  /** Readers that the new one knows are before it, for everybody who knows the new one. */
  private int grown(int before, int party, int step, int[] known) {
    return growths.computeIfAbsent(
        new Growth(before, party, step),
        _ -> {
          List<Reader> all = new ArrayList<>();
          for (Reader r : sets.get(before)) {
            if (r.party() != party && known[r.party()] <= r.step()) {
              all.add(r);
            }
          }
          all.add(new Reader(party, step));
          return numbers.computeIfAbsent(
              List.copyOf(all),
              set -> {
                sets.add(set);
                return sets.size() - 1;
              });
        });
  }
}
