package dev.yuzui.engine.plan;

import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The backends on the class path. */
public final class Backends {
  private Backends() {}

  /** Preferred first. For {@code opencl}'s preference its drivers are loaded. */
  public static List<BackendProvider> all() {
    return ranked().map(Ranked::provider).toList();
  }

  private record Ranked(BackendProvider provider, int preference) {}

  private static Stream<Ranked> ranked() {
    return found()
        .map(p -> new Ranked(p, p.preference()))
        .sorted(Comparator.comparingInt(Ranked::preference).reversed());
  }

  /** In no order, and without a look at any device. */
  private static Stream<BackendProvider> found() {
    return ServiceLoader.load(BackendProvider.class).stream().map(ServiceLoader.Provider::get);
  }

  /**
   * @throws EngineException if no backend has that name
   * @throws BackendException if it is there but its device is not usable
   */
  public static BackendProvider named(String name) {
    BackendProvider provider =
        found()
            .filter(p -> p.name().equalsIgnoreCase(name))
            .findFirst()
            .orElseThrow(
                () ->
                    new EngineException(
                        "RuntimeOptions.backend: expected one of "
                            + names()
                            + ", found '"
                            + name
                            + "'"));
    if (provider.probe() instanceof BackendProvider.Probe.Unusable(String because, String fix)) {
      throw new BackendException(
          "RuntimeOptions.backend " + name + " is not usable here: " + because, fix);
    }
    return provider;
  }

  /** The backend the options name, else the best. */
  public static BackendProvider of(RuntimeOptions options) {
    return options.backend().map(Backends::named).orElseGet(Backends::best);
  }

  /**
   * The devices the options name; without any, the first of {@link #of}. Where experts are to stay
   * on the processor, or on another device than the only one, and none of the devices is the
   * processor, it is the last.
   *
   * @throws EngineException if no backend has that name
   */
  public static List<Device> devices(RuntimeOptions options) {
    List<Device> named = new ArrayList<>(namedDevices(options));
    Distribution how = options.distribution();
    boolean elsewhere =
        how.cpuExpertLayers() > 0 || how.expertBudget().isPresent() && named.size() == 1;
    if (elsewhere && named.stream().noneMatch(d -> d.provider().host())) {
      host().ifPresent(named::add);
    }
    return List.copyOf(named);
  }

  /** The processor as a device, where its backend is on the class path. */
  static Optional<Device> host() {
    return found()
        .filter(BackendProvider::host)
        .findFirst()
        .map(p -> new Device(p.name(), p, Optional.empty()));
  }

  private static List<Device> namedDevices(RuntimeOptions options) {
    if (options.devices().isEmpty()) {
      BackendProvider provider = of(options);
      return List.of(new Device(provider.name(), provider, Optional.empty()));
    }
    return options.devices().stream().map(name -> device(name, options)).toList();
  }

  /** Of the backend that the name begins with, else of the one the options name. */
  private static Device device(String name, RuntimeOptions options) {
    String begin = name.contains(":") ? name.substring(0, name.indexOf(':')) : name;
    return found()
        .filter(p -> p.name().equalsIgnoreCase(begin))
        .findFirst()
        .map(p -> new Device(name, named(agreed(p, name, options).name()), Optional.of(name)))
        .orElseGet(() -> new Device(name, of(options), Optional.of(name)));
  }

  private static BackendProvider agreed(
      BackendProvider provider, String device, RuntimeOptions options) {
    options
        .backend()
        .filter(backend -> !backend.equalsIgnoreCase(provider.name()))
        .ifPresent(
            backend -> {
              throw new EngineException(
                  "RuntimeOptions.backend "
                      + backend
                      + " and RuntimeOptions.devices "
                      + device
                      + ": expected a device of that backend, found one of "
                      + provider.name()
                      + "; leave out RuntimeOptions.backend, or write RuntimeOptions.devices "
                      + backend
                      + ":"
                      + device);
            });
    return provider;
  }

  /** The usable backend of highest preference. */
  public static BackendProvider best() {
    return ranked()
        .filter(r -> r.preference() >= 0)
        .map(Ranked::provider)
        .filter(p -> p.probe() instanceof BackendProvider.Probe.Usable)
        .findFirst()
        .orElseThrow(
            () ->
                new BackendException(
                    "no usable backend among " + names(), "see `yuzui devices` for the reasons"));
  }

  /**
   * @throws EngineException if the backend has no such device
   */
  static BackendProvider.Probe probe(BackendProvider provider, Optional<String> device) {
    return named(() -> provider.probe(device));
  }

  /**
   * @throws EngineException if the backend has no such device
   * @throws BackendException if it cannot be opened
   */
  public static Backend open(BackendProvider provider, BackendOptions options) {
    return named(() -> provider.open(options));
  }

  /** A device's name is the user's: a wrong one is no mistake of ours. */
  private static <T> T named(Supplier<T> use) {
    try {
      return use.get();
    } catch (IllegalArgumentException e) {
      throw new EngineException(e.getMessage());
    }
  }

  private static String names() {
    return all().stream().map(BackendProvider::name).collect(Collectors.joining(", "));
  }
}
