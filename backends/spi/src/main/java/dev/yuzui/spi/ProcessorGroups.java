package dev.yuzui.spi;

import java.util.Optional;

/**
 * Devices of a backend that runs on the processor: groups of threads, each with memory of its own
 * as far as anybody else can tell. {@code cpu} is {@code cpu:0}.
 */
public final class ProcessorGroups {
  /** How many there are, if somebody asks for them. */
  public static final int MOST = 8;

  private ProcessorGroups() {}

  /**
   * The number of the group that the user named, 0 without a name.
   *
   * @param name of the whole: {@code cpu}
   * @throws IllegalArgumentException if it is none of {@code name}'s
   */
  public static int number(String name, Optional<String> device) {
    return device.map(d -> number(name, d)).orElse(0);
  }

  private static int number(String name, String device) {
    if (device.equalsIgnoreCase(name)) {
      return 0;
    }
    for (int i = 0; i < MOST; i++) {
      if (device.equalsIgnoreCase(name + ":" + i)) {
        return i;
      }
    }
    throw new IllegalArgumentException(
        "--device: expected %s or %s:0 to %s:%d, found '%s'"
            .formatted(name, name, name, MOST - 1, device));
  }
}
