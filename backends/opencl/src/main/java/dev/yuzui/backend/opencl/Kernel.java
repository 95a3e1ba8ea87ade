package dev.yuzui.backend.opencl;

/**
 * A kernel of a built program.
 *
 * @param program the driver's handle
 * @param workGroup work-items of a group at most, as the driver compiled it: what registers and
 *     local memory allow may be fewer than the device has
 */
record Kernel(long program, String name, int workGroup) {

  /** A power of two that is no more than {@code wanted}, one itself, and than a group may have. */
  int atMost(int wanted) {
    return Math.min(wanted, Integer.highestOneBit(workGroup));
  }
}
