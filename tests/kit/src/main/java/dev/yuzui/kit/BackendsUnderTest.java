package dev.yuzui.kit;

import static org.junit.jupiter.api.Named.named;

import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Named;

/**
 * Every provider on the class path, by name. Three system properties steer it: {@code
 * yuzui.backend} keeps only the backends listed, {@code yuzui.require} turns the skip of an
 * unusable one into a failure, {@code yuzui.device} is the device to open.
 */
public final class BackendsUnderTest {
  private BackendsUnderTest() {}

  public static Stream<Named<BackendProvider>> all() {
    Set<String> only = listed("yuzui.backend");
    List<BackendProvider> found =
        ServiceLoader.load(BackendProvider.class).stream()
            .map(ServiceLoader.Provider::get)
            .sorted(Comparator.comparing(BackendProvider::name))
            .toList();
    for (String name : listed("yuzui.require")) {
      Assertions.assertTrue(
          found.stream().anyMatch(p -> p.name().equals(name)),
          () -> "yuzui.require names " + name + ", which is not on the class path");
    }
    return found.stream()
        .filter(p -> only.isEmpty() || only.contains(p.name()))
        .map(p -> named(p.name(), p));
  }

  /** Aborts the test with the probe's reason, or fails it where the backend is required. */
  public static void requireUsable(BackendProvider provider) {
    if (probe(provider) instanceof BackendProvider.Probe.Unusable(String because, String fix)) {
      String message = provider.name() + " is unusable: " + because + ". " + fix;
      if (listed("yuzui.require").contains(provider.name())) {
        Assertions.fail(message);
      }
      Assumptions.abort(message);
    }
  }

  private static BackendProvider.Probe probe(BackendProvider provider) {
    try {
      return provider.probe(device());
    } catch (IllegalArgumentException e) {
      return new BackendProvider.Probe.Unusable(e.getMessage(), "yuzui.device names another");
    }
  }

  /** The device to open, or empty for a backend's first. */
  public static Optional<String> device() {
    return Optional.of(System.getProperty("yuzui.device", "")).filter(d -> !d.isEmpty());
  }

  static BackendOptions options() {
    BackendOptions defaults = BackendOptions.defaults();
    return new BackendOptions(defaults.threads(), device(), defaults.repack(), defaults.log());
  }

  private static Set<String> listed(String property) {
    return Arrays.stream(System.getProperty(property, "").split(","))
        .map(String::strip)
        .filter(s -> !s.isEmpty())
        .collect(Collectors.toSet());
  }
}
