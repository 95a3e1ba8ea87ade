package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.CheckedDevices;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.SelfCheck;
import dev.yuzui.spi.SignalHandlers;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Any vendor's devices, by the OpenCL drivers of this machine. */
public final class OpenClProvider implements BackendProvider {
  @Override
  public String name() {
    return "opencl";
  }

  /**
   * Above the processor's own backend where a device is none, below CUDA's. Never chosen unasked
   * for a processor, nor where the only drivers are those that another backend serves better: then
   * none is loaded, which takes PoCL a second.
   */
  @Override
  public int preference() {
    return Icds.others() && hasAccelerator() ? 50 : -1;
  }

  private static boolean hasAccelerator() {
    try (var _ = SignalHandlers.keep()) {
      return Driver.refusal().isEmpty() && !first(Driver.devices()).cpu();
    }
  }

  /** The device that {@link #open} takes when the user names none. */
  @Override
  public Probe probe() {
    return probe(Optional.empty());
  }

  @Override
  public Probe probe(Optional<String> device) {
    try (var _ = SignalHandlers.keep()) {
      return Driver.refusal()
          .<Probe>map(r -> r)
          .orElseGet(() -> probe(chosen(device, Driver.devices())));
    }
  }

  @Override
  public List<Probe> probeAll() {
    try (var _ = SignalHandlers.keep()) {
      return Driver.refusal()
          .map(r -> List.<Probe>of(r))
          .orElseGet(() -> Driver.devices().stream().map(OpenClProvider::probe).toList());
    }
  }

  private static Probe probe(DeviceFacts device) {
    return Driver.unfit(device)
        .<Probe>map(r -> r)
        .orElseGet(() -> new Probe.Usable(described(device), Driver.freeBytes(device)));
  }

  private static String described(DeviceFacts device) {
    List<String> used =
        Stream.concat(device.used().stream(), Extras.of(device).extensions().stream()).toList();
    return device
        + (used.isEmpty() ? "" : ", with " + String.join(" and ", used))
        + (Driver.guessesFree(device)
            ? "; its driver does not say what is free, 7/8 is a guess"
            : "");
  }

  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    long bytes = Layout.matrixBytes(encoding, rows, cols);
    return count == 1 ? bytes : count * Layout.aligned(bytes);
  }

  @Override
  public Backend open(BackendOptions options) {
    try (var _ = SignalHandlers.keep()) {
      Driver.refusal().ifPresent(r -> refuse(r));
      DeviceFacts device = chosen(options.device(), Driver.devices());
      Driver.unfit(device).ifPresent(r -> refuse(r));
      Form form =
          Form.checked(
              device,
              new CheckedDevices(options.cache(), options.log()),
              f -> open(device, f, options));
      OpenClBackend backend = open(device, form, options);
      try {
        SelfCheck.order(backend, device.label());
        return backend;
      } catch (RuntimeException e) {
        backend.close();
        throw e;
      }
    }
  }

  private static OpenClBackend open(DeviceFacts device, Form form, BackendOptions options) {
    Cl cl = Cl.open(device);
    try {
      Extras extras = form.extras() ? Extras.of(device) : Extras.NONE;
      return new OpenClBackend(cl, extras, form.commandBuffers(), options);
    } catch (RuntimeException e) {
      cl.close();
      throw e;
    }
  }

  private static void refuse(Probe.Unusable unusable) {
    throw new BackendException(unusable.because(), unusable.fix());
  }

  private static DeviceFacts chosen(Optional<String> name, List<DeviceFacts> devices) {
    return name.map(n -> named(n, devices)).orElseGet(() -> first(devices));
  }

  /** The first that is usable and no processor, else the first that is usable. */
  private static DeviceFacts first(List<DeviceFacts> devices) {
    List<DeviceFacts> usable = devices.stream().filter(d -> Driver.unfit(d).isEmpty()).toList();
    return usable.stream()
        .filter(d -> !d.cpu())
        .findFirst()
        .orElseGet(() -> usable.isEmpty() ? devices.getFirst() : usable.getFirst());
  }

  /**
   * {@code opencl}, {@code opencl:1}, {@code 1}, or part of a device's or platform's name.
   *
   * @throws IllegalArgumentException if none is meant
   */
  static DeviceFacts named(String name, List<DeviceFacts> devices) {
    String wanted = name.strip().toLowerCase(Locale.ROOT);
    if (wanted.equals("opencl")) {
      return first(devices);
    }
    String part = wanted.startsWith("opencl:") ? wanted.substring("opencl:".length()) : wanted;
    return devices.stream()
        .filter(d -> part.equals(String.valueOf(d.ordinal())))
        .findFirst()
        .or(
            () ->
                devices.stream()
                    .filter(d -> !part.isEmpty() && !part.matches("[0-9]+"))
                    .filter(d -> d.toString().toLowerCase(Locale.ROOT).contains(part))
                    .findFirst())
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "--device: expected one of "
                        + devices.stream()
                            .map(d -> d.label() + " (" + d.name() + ")")
                            .collect(Collectors.joining(", "))
                        + ", found '"
                        + name
                        + "'"));
  }
}
