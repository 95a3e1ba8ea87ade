package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.UsageException;
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
public record BackendChoice(String name, BackendProvider provider, Optional<String> device) {

  public static BackendChoice of(String flag, String name) {
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
  public Optional<Probe.Unusable> unusable() {
    try {
      return provider.probe(device) instanceof Probe.Unusable why
          ? Optional.of(why)
          : Optional.empty();
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage());
    }
  }

  /** For people. */
  public static String unusable(String name, Probe.Unusable why) {
    return name + ": not usable here: " + why.because() + "; " + why.fix();
  }

  public RuntimeOptions applied(RuntimeOptions options) {
    RuntimeOptions with = options.withBackend(provider.name());
    return device.isPresent() ? with.withDevice(device.get()) : with;
  }
}
