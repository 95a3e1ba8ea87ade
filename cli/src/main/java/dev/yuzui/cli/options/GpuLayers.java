package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.Distribution.Split;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.util.function.Predicate;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * How many layers are on GPUs, as llama.cpp counts them: all, or none.
 *
 * @param layers {@link #ALL}, or {@link #AUTO} for what happens without the flag
 */
record GpuLayers(String typed, int layers) {
  private static final int ALL = Integer.MAX_VALUE;
  private static final int AUTO = -1;

  static final class Converter implements ITypeConverter<GpuLayers> {
    @Override
    public GpuLayers convert(String text) {
      try {
        int layers =
            switch (text) {
              case "auto", "-1" -> AUTO;
              case "all", "-2" -> ALL;
              default -> Integer.parseInt(text);
            };
        if (layers >= AUTO) {
          return new GpuLayers(text, layers);
        }
      } catch (NumberFormatException _) {
        // reported below, as numbers below 0 are
      }
      throw new TypeConversionException(
          "expected all, or 0 for the CPU alone, found '" + text + "'");
    }
  }

  /**
   * None means the CPU, before it is known where experts are.
   *
   * @throws UsageException if other flags name another device
   */
  RuntimeOptions beforeExperts(RuntimeOptions options) {
    if (layers != 0) {
      return options;
    }
    boolean named = options.backend().isPresent() || !options.devices().isEmpty();
    if (!named) {
      return options.withBackend("cpu");
    }
    requireNone(options, device -> !device.provider().host());
    return options;
  }

  /**
   * All means that nothing but experts is on the CPU.
   *
   * @throws UsageException if some layers are asked for, but not all, or other flags say otherwise
   */
  RuntimeOptions afterExperts(Context context, RuntimeOptions options) {
    if (layers == 0 || layers == AUTO) {
      return options;
    }
    if (Backends.devices(options).stream().allMatch(d -> d.provider().host())) {
      context
          .err()
          .println("-ngl " + typed + ": changes nothing, for there is no device but the CPU");
      return options;
    }
    requireNone(options, device -> device.provider().host());
    requireAll(options);
    boolean open = options.distribution().equals(Distribution.ANY);
    return open ? options.withDistribution(options.distribution().withSplit(Split.LAYER)) : options;
  }

  /** None of the devices that flags name is such a one. */
  private void requireNone(RuntimeOptions options, Predicate<Device> wrong) {
    Backends.devices(options.withDistribution(Distribution.ANY)).stream()
        .filter(wrong)
        .findFirst()
        .ifPresent(
            device -> {
              throw new UsageException(
                  "-ngl "
                      + typed
                      + " and "
                      + device.name()
                      + " of --backend or --device: expected one of them, found both");
            });
  }

  private void requireAll(RuntimeOptions options) {
    if (layers == ALL) {
      return;
    }
    try (Checkpoint checkpoint = Checkpoints.open(options.model(), options.metadata(), _ -> {})) {
      int all = checkpoint.config().layers();
      if (layers < all) {
        throw UsageException.ofFlag(
            "-ngl",
            "all of the model's "
                + all
                + " layers, or 0; to share it with the CPU use --fit, --n-cpu-moe N or --device"
                + " cuda:0,cpu",
            typed);
      }
    }
  }
}
