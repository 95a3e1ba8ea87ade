package dev.yuzui.kit;

import dev.yuzui.spi.BackendProvider;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The one place that skips a backend which this machine cannot run: the other suites pass it over.
 */
public abstract class AvailabilityConformance {
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.yuzui.kit.BackendsUnderTest#listed")
  void thisMachineCanRun(BackendProvider provider) {
    BackendsUnderTest.requireUsable(provider);
  }
}
