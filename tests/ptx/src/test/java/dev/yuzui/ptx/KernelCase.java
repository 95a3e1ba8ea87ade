package dev.yuzui.ptx;

import java.util.function.Consumer;

/**
 * A launch of {@code kernel}, or some that end with it, and what must come of it.
 *
 * @param what sets it apart from the kernel's other cases
 * @param run throws where the results are others than those in double; hazards are for the caller
 */
record KernelCase(String kernel, String what, Consumer<Device> run) {
  @Override
  public String toString() {
    return kernel + ": " + what;
  }
}
