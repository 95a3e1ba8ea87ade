package dev.yuzui.ptx.machine;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * What threads know of the blocks of a launch, as the memory model of the PTX ISA has it: a fence
 * and then an atomic release what the thread knows, an atomic and then a fence acquire it, a
 * barrier of the block joins its threads. An entry of n for a block says: all it did before its nth
 * barrier.
 */
final class Clock {
  private final Map<Long, int[]> released = new HashMap<>();
  private final int blocks;

  Clock(int blocks) {
    this.blocks = blocks;
  }

  int[] nothing() {
    return new int[blocks];
  }

  static int[] joined(int[] a, int[] b) {
    if (Arrays.equals(a, b)) {
      return a;
    }
    int[] both = a.clone();
    for (int i = 0; i < both.length; i++) {
      both[i] = Math.max(both[i], b[i]);
    }
    return both;
  }

  /** An atomic at {@code address} by a thread whose last fence was at {@code fenced}. */
  int[] exchange(long address, int[] fenced) {
    int[] before = released.getOrDefault(address, fenced);
    released.put(address, joined(before, fenced));
    return before;
  }
}
