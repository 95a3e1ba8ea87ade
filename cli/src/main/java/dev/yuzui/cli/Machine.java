package dev.yuzui.cli;

import dev.yuzui.spi.HostResources;

/** The processor, for benchmark reports. */
final class Machine {
  private Machine() {}

  static String processor() {
    return HostResources.local().processorName().orElseGet(() -> System.getProperty("os.arch"));
  }
}
