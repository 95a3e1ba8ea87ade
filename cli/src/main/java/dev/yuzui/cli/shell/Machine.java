package dev.yuzui.cli.shell;

import dev.yuzui.spi.HostResources;

/** The processor, for benchmark reports. */
public final class Machine {
  private Machine() {}

  public static String processor() {
    return HostResources.local().processorName().orElseGet(() -> System.getProperty("os.arch"));
  }
}
