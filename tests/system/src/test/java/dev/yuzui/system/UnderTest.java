package dev.yuzui.system;

import dev.yuzui.engine.Backends;
import dev.yuzui.engine.RuntimeOptions;
import dev.yuzui.kit.BackendsUnderTest;
import java.util.stream.Stream;

/** The backends that models are run on, steered as {@link BackendsUnderTest} says. */
final class UnderTest {
  private UnderTest() {}

  static Stream<String> backends() {
    return BackendsUnderTest.all()
        .map(named -> named.getPayload().name())
        .filter(name -> !name.equals(RoundingReference.NAME));
  }

  /** Aborts the test, or fails it, when the backend is unusable. */
  static void requireUsable(String backend) {
    Backends.all().stream()
        .filter(p -> p.name().equals(backend))
        .forEach(BackendsUnderTest::requireUsable);
  }

  static RuntimeOptions on(String backend, RuntimeOptions options) {
    requireUsable(backend);
    RuntimeOptions there = options.withBackend(backend);
    return BackendsUnderTest.device().map(there::withDevice).orElse(there);
  }
}
