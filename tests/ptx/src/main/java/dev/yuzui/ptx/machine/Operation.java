package dev.yuzui.ptx.machine;

/** What one instruction does to the lanes of {@code mask}. */
@FunctionalInterface
interface Operation {
  void run(Warp warp, int mask);
}
