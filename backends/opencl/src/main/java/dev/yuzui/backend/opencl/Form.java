package dev.yuzui.backend.opencl;

import dev.yuzui.spi.CheckedDevices;
import dev.yuzui.spi.SelfCheck;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * How much of what a device says it has is used: all, unless {@link SelfCheck} finds that its sums
 * are wrong so and right without.
 *
 * @param extras whether {@link Extras} are
 * @param commandBuffers whether {@link CommandBuffers} are
 */
record Form(boolean extras, boolean commandBuffers) {
  static final Form ALL = new Form(true, true);

  /** In the order in which they are tried. */
  private static final List<Form> FORMS =
      List.of(ALL, new Form(true, false), new Form(false, true), new Form(false, false));

  /** That make a difference on {@code device}. */
  private static List<Form> of(DeviceFacts device) {
    boolean extras = !Extras.of(device).extensions().isEmpty();
    boolean buffers = device.has(CommandBuffers.EXTENSION) && !device.cpu();
    return FORMS.stream()
        .filter(f -> (f.extras() || extras) && (f.commandBuffers() || buffers))
        .toList();
  }

  /** As {@link CheckedDevices} keeps it. */
  @Override
  public String toString() {
    List<String> without = new ArrayList<>();
    if (!extras) {
      without.add("sub-groups, dot products and halves");
    }
    if (!commandBuffers) {
      without.add("command buffers");
    }
    return without.isEmpty() ? "with all it has" : "without " + String.join(" and ", without);
  }

  /**
   * The form in which the device passed, now or at an earlier open with this driver and these
   * kernels.
   *
   * @param open a backend of the device
   * @throws dev.yuzui.spi.BackendException if the device's sums are wrong in every form
   */
  static Form checked(
      DeviceFacts device, CheckedDevices checks, Function<Form, OpenClBackend> open) {
    if (!checks.keeps()) {
      return ALL;
    }
    List<Form> forms = of(device);
    String key =
        CheckedDevices.key(
            "opencl",
            List.of(
                device.platform(),
                device.name(),
                device.version(),
                device.driver(),
                ProgramSource.all()));
    String passed =
        checks.check(
            key,
            device.label(),
            forms.stream().map(Form::toString).toList(),
            name -> open.apply(named(name, forms)));
    return named(passed, forms);
  }

  private static Form named(String name, List<Form> forms) {
    return forms.stream().filter(f -> f.toString().equals(name)).findFirst().orElseThrow();
  }
}
