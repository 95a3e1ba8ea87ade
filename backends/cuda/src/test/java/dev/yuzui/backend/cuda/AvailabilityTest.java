package dev.yuzui.backend.cuda;

import dev.yuzui.kit.BackendsUnderTest;
import org.junit.jupiter.api.Test;

/**
 * The named skip where there is no device. Classes that need one give up before their first test,
 * which Surefire does not count.
 */
class AvailabilityTest {
  @Test
  void thereIsADevice() {
    BackendsUnderTest.requireUsable(new CudaProvider());
  }
}
