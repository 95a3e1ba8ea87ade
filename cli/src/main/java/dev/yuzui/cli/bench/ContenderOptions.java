package dev.yuzui.cli.bench;

import dev.yuzui.cli.options.BackendChoice;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.spi.BackendProvider.Probe;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Which backends and devices are measured, beside each other or alone. */
final class ContenderOptions {
  @Option(
      names = "--backend",
      paramLabel = "NAME",
      split = ",",
      description =
          "Backends, with or without a device, such as cpu,cuda:1; several hold the model at the"
              + " same time and take turns, and the table says how many times the first's speed"
              + " they have (default: the best usable one).")
  private List<String> backends = List.of();

  @Option(
      names = "--device",
      paramLabel = "NAME",
      split = ",",
      description =
          "Device of the backend (default: its first); cpu:java is without native kernels. Several"
              + " share the model.")
  private List<String> devices = List.of();

  @Option(
      names = "--bandwidth",
      paramLabel = "GB/S",
      split = ",",
      converter = Ranges.Decimal.class,
      description =
          "Of each backend's memory, for the roofline of -o html (default: the host's is measured,"
              + " other devices have no roofline).")
  private List<Double> bandwidths = List.of();

  /** What the roofline of {@code format} is drawn from. */
  BenchLimits limits(BenchFormat format) {
    Map<String, Double> given = new LinkedHashMap<>();
    if (!bandwidths.isEmpty() && format != BenchFormat.HTML) {
      throw UsageException.ofFlag("--bandwidth", "-o html beside it", "none");
    }
    if (!bandwidths.isEmpty() && bandwidths.size() != backends.size()) {
      throw UsageException.ofFlag(
          "--bandwidth", "one for each --backend, " + backends.size(), "" + bandwidths.size());
    }
    for (int i = 0; i < bandwidths.size(); i++) {
      if (bandwidths.get(i) <= 0) {
        throw UsageException.ofFlag("--bandwidth", "GB/s, above 0", "" + bandwidths.get(i));
      }
      given.put(backends.get(i), bandwidths.get(i) * 1e9);
    }
    return new BenchLimits(given);
  }

  /** Those of several that are usable; the others are named. One is taken as it is. */
  List<Optional<BackendChoice>> choices(Context context) {
    if (backends.isEmpty()) {
      return List.of(Optional.empty());
    }
    boolean several = backends.size() > 1;
    if (backends.getFirst().contains(":") && !devices.isEmpty()) {
      throw new UsageException(
          "--backend " + backends.getFirst() + " and --device: expected one device, found two");
    }
    if (several && !devices.isEmpty()) {
      throw UsageException.ofFlag(
          "--device", "one backend beside it", backends.size() + "; write --backend cuda:0,cpu");
    }
    List<Optional<BackendChoice>> usable = new ArrayList<>();
    for (String name : backends) {
      BackendChoice choice = BackendChoice.of("--backend", name);
      Optional<Probe.Unusable> why = several ? choice.unusable() : Optional.empty();
      if (why.isEmpty()) {
        usable.add(Optional.of(choice));
      } else {
        context.err().println(BackendChoice.unusable(name, why.get()));
      }
    }
    if (usable.isEmpty()) {
      throw new FailedException("--backend: none of those named is usable here");
    }
    return usable;
  }

  /** For one of {@link #choices}. */
  RuntimeOptions applied(Optional<BackendChoice> backend, RuntimeOptions options) {
    RuntimeOptions chosen = backend.isPresent() ? backend.get().applied(options) : options;
    return devices.isEmpty() ? chosen : chosen.withDevices(devices);
  }
}
