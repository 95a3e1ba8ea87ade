package dev.yuzui.kit;

import static org.junit.jupiter.api.Named.named;

import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Named;

/**
 * The providers on the class path, by name. Three system properties steer it: {@code yuzui.backend}
 * keeps only the backends listed, {@code yuzui.require} turns the skip of an unusable one into a
 * failure, {@code yuzui.device} is the device to open.
 */
public final class BackendsUnderTest {
  private BackendsUnderTest() {}

  /** Those of {@code yuzui.backend}, whether this machine can run them or not. */
  public static Stream<Named<BackendProvider>> listed() {
    Set<String> only = Required.listed("yuzui.backend");
    List<BackendProvider> found =
        ServiceLoader.load(BackendProvider.class).stream()
            .map(ServiceLoader.Provider::get)
            .sorted(Comparator.comparing(BackendProvider::name))
            .toList();
    for (String name : Required.listed("yuzui.require")) {
      Assertions.assertTrue(
          Required.OTHERS.contains(name) || found.stream().anyMatch(p -> p.name().equals(name)),
          () -> "yuzui.require names " + name + ", which is not on the class path");
    }
    return found.stream()
        .filter(p -> only.isEmpty() || only.contains(p.name()))
        .map(p -> named(p.name(), p));
  }

  /**
   * Those that this machine can run or that are required: an absent one is skipped once, by {@link
   * AvailabilityConformance}, not by every test. If all are absent, all: a suite that runs nothing
   * says so.
   */
  public static Stream<Named<BackendProvider>> all() {
    List<Named<BackendProvider>> listed = listed().toList();
    List<Named<BackendProvider>> there =
        listed.stream()
            .filter(
                p ->
                    Required.isRequired(p.getPayload().name())
                        || probe(p.getPayload()) instanceof BackendProvider.Probe.Usable)
            .toList();
    return (there.isEmpty() ? listed : there).stream();
  }

  /** Aborts the test with the probe's reason, or fails it where the backend is required. */
  public static void requireUsable(BackendProvider provider) {
    if (probe(provider) instanceof BackendProvider.Probe.Unusable(String because, String fix)) {
      Required.missing(provider.name(), provider.name() + " is unusable: " + because + ". " + fix);
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
}
