package dev.yuzui.system;

import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.BackendProvider;
import java.util.List;
import java.util.stream.IntStream;
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

  /** Of devices named after their backends. */
  static void requireUsable(List<String> devices) {
    devices.stream().map(UnderTest::backend).distinct().forEach(UnderTest::requireUsable);
  }

  static boolean usable(String backend) {
    return Backends.all().stream()
        .filter(p -> p.name().equals(backend))
        .anyMatch(p -> p.probe() instanceof BackendProvider.Probe.Usable);
  }

  private static String backend(String device) {
    return device.replaceFirst(":.*", "");
  }

  /** Names of {@code count} devices; those of a backend that has fewer come up more than once. */
  static List<String> devices(String backend, int count) {
    int there =
        Backends.all().stream()
            .filter(p -> p.name().equals(backend))
            .findFirst()
            .map(p -> p.probeAll().size())
            .orElse(1);
    return IntStream.range(0, count)
        .mapToObj(i -> there == 1 ? backend : backend + ":" + i % there)
        .toList();
  }

  static RuntimeOptions on(String backend, RuntimeOptions options) {
    requireUsable(backend);
    RuntimeOptions there = options.withBackend(backend);
    return BackendsUnderTest.device().map(there::withDevice).orElse(there);
  }
}
