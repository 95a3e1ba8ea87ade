package dev.yuzui.ptx.machine;

import java.util.Arrays;

/**
 * Who wrote and who read each byte last, in stamps of: block, the barriers its block had passed,
 * the {@code bar.warp.sync}s its warp had passed, thread. Two threads of a block are ordered if a
 * barrier came between; of a warp, also if a bar.warp.sync did; two blocks, if one acquired what
 * the other had released ({@link Clock}).
 */
final class Shadow {
  static final int THREAD_BITS = 10;
  static final int COUNT_BITS = 14;
  static final int BLOCK_BITS = 20;
  private static final int WARP_COUNT = THREAD_BITS;
  private static final int COUNT = WARP_COUNT + COUNT_BITS;
  private static final int BLOCK = COUNT + COUNT_BITS;
  private static final long LANES = 1L << BLOCK + BLOCK_BITS;
  private static final long WARPS = LANES << 1;
  private static final long ATOMIC = LANES << 2;
  private static final long FLYING = LANES << 3;
  private static final long PRESENT = LANES << 4;

  private final long[] write;
  private final long[] read;
  private final boolean empty;

  /**
   * @param empty whether nothing is in the memory before somebody writes
   */
  Shadow(int bytes, boolean empty) {
    write = new long[bytes];
    read = new long[bytes];
    this.empty = empty;
  }

  static long stamp(int block, int barriers, int warpBarriers, int thread) {
    if (barriers >= 1 << COUNT_BITS
        || warpBarriers >= 1 << COUNT_BITS
        || block >= 1 << BLOCK_BITS) {
      throw new PtxFault("more barriers or blocks than a stamp counts");
    }
    return PRESENT
        | (long) block << BLOCK
        | (long) barriers << COUNT
        | (long) warpBarriers << WARP_COUNT
        | thread;
  }

  private static int thread(long stamp) {
    return (int) (stamp & (1 << THREAD_BITS) - 1);
  }

  private static int warpBarriers(long stamp) {
    return (int) (stamp >> WARP_COUNT & (1 << COUNT_BITS) - 1);
  }

  private static int barriers(long stamp) {
    return (int) (stamp >> COUNT & (1 << COUNT_BITS) - 1);
  }

  private static int block(long stamp) {
    return (int) (stamp >> BLOCK & (1 << BLOCK_BITS) - 1);
  }

  void clear() {
    Arrays.fill(write, 0);
    Arrays.fill(read, 0);
  }

  void access(Access.Kind kind, int from, int bytes, long me, Warp w) {
    switch (kind) {
      case READ, READ_CONSTANT -> read(from, bytes, me, w);
      case WRITE -> write(from, bytes, me, w);
      case ATOMIC -> atomic(from, bytes, me, w);
    }
  }

  private void read(int from, int bytes, long me, Warp w) {
    for (int i = from; i < from + bytes; i++) {
      long before = write[i];
      if (before == 0) {
        if (empty) {
          w.hazard(Hazard.Kind.UNWRITTEN, i, "nobody wrote it", me);
        }
      } else {
        ordered(before, i, me, w, false, "written");
      }
      read[i] = readers(read[i], me, w);
    }
  }

  private void write(int from, int bytes, long me, Warp w) {
    for (int i = from; i < from + bytes; i++) {
      overwrite(i, me, w, false);
      write[i] = me;
      read[i] = 0;
    }
  }

  private void atomic(int from, int bytes, long me, Warp w) {
    for (int i = from; i < from + bytes; i++) {
      if (write[i] == 0 && empty) {
        w.hazard(Hazard.Kind.UNWRITTEN, i, "nobody wrote it", me);
      }
      overwrite(i, me, w, true);
      write[i] = me | ATOMIC;
      read[i] = 0;
    }
  }

  /** A copy sets out; nobody may touch its target until {@link #arrived}. */
  void departs(int from, int bytes, long me, Warp w) {
    for (int i = from; i < from + bytes; i++) {
      overwrite(i, me, w, false);
      write[i] = me | FLYING;
      read[i] = 0;
    }
  }

  void arrived(int from, int bytes, long me) {
    for (int i = from; i < from + bytes; i++) {
      write[i] = me;
    }
  }

  private void overwrite(int i, long me, Warp w, boolean atomic) {
    if (write[i] != 0) {
      ordered(write[i], i, me, w, atomic, "written");
    }
    if (read[i] != 0) {
      ordered(read[i], i, me, w, false, "read");
    }
  }

  private static void ordered(long before, int i, long me, Warp w, boolean atomic, String what) {
    if ((before & FLYING) != 0) {
      w.hazard(
          Hazard.Kind.COPY_IN_FLIGHT,
          i,
          "a copy of thread " + thread(before) + " is under way",
          me);
      return;
    }
    if (atomic && (before & ATOMIC) != 0) {
      return;
    }
    if (block(before) != block(me)) {
      if (w.block.acquired(thread(me), block(before)) <= barriers(before)) {
        w.hazard(Hazard.Kind.RACE_BETWEEN_BLOCKS, i, what + " by block " + block(before), me);
      }
      return;
    }
    if (barriers(before) != barriers(me)) {
      return;
    }
    boolean sameWarp = thread(before) / 32 == thread(me) / 32 && (before & WARPS) == 0;
    if (!sameWarp) {
      w.hazard(Hazard.Kind.RACE_IN_BLOCK, i, what + " by thread " + thread(before), me);
    } else if (warpBarriers(before) == warpBarriers(me)
        && (thread(before) != thread(me) || (before & LANES) != 0)) {
      w.hazard(Hazard.Kind.RACE_IN_WARP, i, what + " by thread " + thread(before), me);
    }
  }

  /** The stamp of the readers so far and of one more. */
  private static long readers(long before, long me, Warp w) {
    if (before == 0) {
      return me;
    }
    if (block(before) != block(me)) {
      // those of a block that this one has acquired are as good as gone
      return w.block.acquired(thread(me), block(before)) > barriers(before) ? me : before;
    }
    if (barriers(before) != barriers(me)) {
      return me;
    }
    long flags = before & (WARPS | LANES);
    if (thread(before) / 32 != thread(me) / 32) {
      return me | WARPS;
    }
    if (warpBarriers(before) != warpBarriers(me)) {
      return me | flags & WARPS;
    }
    return me | flags | (thread(before) != thread(me) ? LANES : 0);
  }
}
