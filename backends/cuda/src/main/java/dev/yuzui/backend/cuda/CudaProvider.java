package dev.yuzui.backend.cuda;

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
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/** NVIDIA GPUs, by JCuda's driver API. */
public final class CudaProvider implements BackendProvider {
  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public int preference() {
    return 100;
  }

  /**
   * Long steps: what a chunk's rows see of earlier ones costs more than what they see of its own.
   */
  @Override
  public int promptTokens() {
    return 2048;
  }

  @Override
  public Probe probe() {
    return Driver.refusal().<Probe>map(r -> r).orElseGet(() -> probe(first(Driver.devices())));
  }

  @Override
  public Probe probe(Optional<String> device) {
    return Driver.refusal()
        .<Probe>map(r -> r)
        .orElseGet(() -> probe(chosen(device, Driver.devices())));
  }

  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    long bytes = Tiles.matrixBytes(Tiles.kept(encoding), rows, cols);
    return count == 1 ? bytes : count * (Tiles.aligned(bytes) + Long.BYTES);
  }

  @Override
  public List<Probe> probeAll() {
    return Driver.refusal()
        .map(r -> List.<Probe>of(r))
        .orElseGet(() -> Driver.devices().stream().map(CudaProvider::probe).toList());
  }

  private static Probe probe(CudaDevice device) {
    Optional<Probe.Unusable> old = tooOld(device);
    if (old.isPresent()) {
      return old.get();
    }
    try (var _ = SignalHandlers.keep();
        Cu cu = Cu.open(device)) {
      return new Probe.Usable(device.toString(), cu.freeBytes());
    } catch (BackendException e) {
      return new Probe.Unusable(e.getMessage(), "look at the device with nvidia-smi");
    }
  }

  private static Optional<Probe.Unusable> tooOld(CudaDevice device) {
    return device.capability() >= CudaDevice.OLDEST
        ? Optional.empty()
        : Optional.of(
            new Probe.Unusable(
                device + " is too old: kernels need compute capability 7.5",
                "use another device (--device) or --backend cpu"));
  }

  private static CudaDevice first(List<CudaDevice> devices) {
    return devices.stream().filter(d -> tooOld(d).isEmpty()).findFirst().orElse(devices.getFirst());
  }

  @Override
  public Backend open(BackendOptions options) {
    Driver.refusal().ifPresent(r -> refuse(r));
    List<CudaDevice> devices = Driver.devices();
    CudaDevice device = chosen(options.device(), devices);
    tooOld(device).ifPresent(r -> refuse(r));
    try (var _ = SignalHandlers.keep()) {
      List<Form> forms = Form.of(device, options.earlyLaunch() && EarlyLaunch.suits(device));
      Form passed =
          checked(
              device,
              forms,
              new CheckedDevices(options.cache(), options.log()),
              f -> open(device, devices, f, options));
      CudaBackend backend = open(device, devices, passed, options);
      options.log().accept(backend.description());
      return backend;
    }
  }

  private static CudaBackend open(
      CudaDevice device, List<CudaDevice> devices, Form form, BackendOptions options) {
    Cu cu = Cu.open(device, form.early(), options.log());
    try {
      return new CudaBackend(cu, form.wgmma(), peerCopy(cu, devices), options.notice());
    } catch (RuntimeException e) {
      cu.close();
      throw e;
    }
  }

  /**
   * The best form in which the device's sums are right, as {@link SelfCheck} found at the first
   * open with this driver and these kernels.
   *
   * @throws BackendException if they are wrong in every form
   */
  private static Form checked(
      CudaDevice device,
      List<Form> forms,
      CheckedDevices checks,
      Function<Form, CudaBackend> open) {
    if (!checks.keeps()) {
      return forms.getFirst();
    }
    Map<String, Form> named =
        forms.stream().collect(Collectors.toMap(Form::toString, Function.identity()));
    List<String> names = forms.stream().map(Form::toString).toList();
    String key =
        CheckedDevices.key(
            "cuda",
            List.of(
                device.name(),
                "" + device.capability(),
                "" + device.driver(),
                names.getFirst(),
                Kernels.manifestText()));
    return named.get(checks.check(key, device.label(), names, name -> open.apply(named.get(name))));
  }

  private static CudaDevice chosen(Optional<String> name, List<CudaDevice> devices) {
    return name.map(n -> named(n, devices)).orElseGet(() -> first(devices));
  }

  private static void refuse(Probe.Unusable unusable) {
    throw new BackendException(unusable.because(), unusable.fix());
  }

  private static boolean peerCopy(Cu cu, List<CudaDevice> devices) {
    return devices.size() == 1
        || devices.stream().anyMatch(d -> d.ordinal() != cu.device().ordinal() && cu.reaches(d));
  }

  /**
   * {@code cuda}, {@code cuda:1}, {@code 1}, or part of a device's name.
   *
   * @throws IllegalArgumentException if none is meant
   */
  static CudaDevice named(String name, List<CudaDevice> devices) {
    String wanted = name.strip().toLowerCase(Locale.ROOT);
    if (wanted.equals("cuda")) {
      return first(devices);
    }
    return devices.stream()
        .filter(d -> wanted.equals(d.label()) || wanted.equals(String.valueOf(d.ordinal())))
        .findFirst()
        .or(
            () ->
                devices.stream()
                    .filter(d -> !wanted.isEmpty() && !wanted.matches("cuda:.*|[0-9]+"))
                    .filter(d -> d.name().toLowerCase(Locale.ROOT).contains(wanted))
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
