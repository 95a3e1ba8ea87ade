package dev.yuzui.backend.cpu;

import dev.yuzui.spi.HostResources;
import java.util.Arrays;

/**
 * The processors that this process may use.
 *
 * @param name the model's
 * @param cores physical ones
 * @param order their numbers: one of each physical core first
 */
record Processors(String name, int cores, int[] order) {

  static Processors find() {
    HostResources host = HostResources.local();
    return new Processors(
        host.processorName().orElseGet(CpuProvider::platform), host.cores(), host.processorOrder());
  }

  /**
   * A processor for each thread of a group, among groups of as many threads; none where they are
   * too few. Only the first group, which may be the only one, takes two processors of a core.
   */
  int[] group(int number, int threads) {
    int from = number * threads;
    int most = number == 0 ? order.length : Math.min(cores, order.length);
    return from + threads <= most ? Arrays.copyOfRange(order, from, from + threads) : new int[0];
  }
}
