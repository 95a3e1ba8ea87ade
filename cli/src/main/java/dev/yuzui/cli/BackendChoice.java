package dev.yuzui.cli;

import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.BackendProvider.Probe;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * A backend in a list of several, with or without its device: {@code cpu}, {@code cuda:1}, {@code
 * opencl:Intel}.
 *
 * @param name as it was typed
 */
record BackendChoice(String name, BackendProvider provider, Optional<String> device) {

  static BackendChoice of(String flag, String name) {
    int colon = name.indexOf(':');
    String backend = colon < 0 ? name : name.substring(0, colon);
    List<BackendProvider> all = Backends.all();
    BackendProvider provider =
        all.stream()
            .filter(p -> p.name().equalsIgnoreCase(backend))
            .findFirst()
            .orElseThrow(
                () ->
                    UsageException.ofFlag(
                        flag,
                        "some of "
                            + all.stream()
                                .map(BackendProvider::name)
                                .collect(Collectors.joining(", "))
                            + ", each with or without a device such as cuda:1",
                        "'" + name + "'"));
    return new BackendChoice(name, provider, colon < 0 ? Optional.empty() : Optional.of(name));
  }

  /** Why it cannot be used here. */
  Optional<Probe.Unusable> unusable() {
    try {
      return provider.probe(device) instanceof Probe.Unusable why
          ? Optional.of(why)
          : Optional.empty();
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage());
    }
  }

  /** For people. */
  static String unusable(String name, Probe.Unusable why) {
    return name + ": not usable here: " + why.because() + "; " + why.fix();
  }

  RuntimeOptions applied(RuntimeOptions options) {
    RuntimeOptions with = options.withBackend(provider.name());
    return device.isPresent() ? with.withDevice(device.get()) : with;
  }
}
