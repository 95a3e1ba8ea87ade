package dev.yuzui.kit;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/**
 * What a machine may lack. A test of it is skipped there and says why; where the system property
 * {@code yuzui.require} names it, the test fails. Names are those of backends, {@code cpu} for its
 * native kernels too, {@code cudasim} for the simulator of CUDA devices, and {@code node} and
 * {@code chromium} for what clients of a server and its page run in.
 */
public final class Required {
  /** No backends: what stands in for a driver, what clients run in. */
  static final Set<String> OTHERS = Set.of("cudasim", "node", "chromium");

  private Required() {}

  public static boolean isRequired(String name) {
    return listed("yuzui.require").contains(name);
  }

  /** Aborts the test, or fails it where {@code name} is required. */
  public static void missing(String name, String because) {
    if (isRequired(name)) {
      Assertions.fail(because + " (yuzui.require names " + name + ")");
    }
    Assumptions.abort(because);
  }

  /** The names in a system property, which commas part. */
  static Set<String> listed(String property) {
    return Arrays.stream(System.getProperty(property, "").split(","))
        .map(String::strip)
        .filter(s -> !s.isEmpty())
        .collect(Collectors.toSet());
  }
}
