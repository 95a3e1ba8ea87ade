package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.SignalHandlers;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.lwjgl.opencl.CL10;

/** The programs of native-kernels/opencl on one device, built as they are asked for. */
final class Programs implements AutoCloseable {
  private static final int LOG_LINES = 40;

  /** What has forms for {@link Extras}; the rest is compiled plainly. */
  private static final Set<String> WITH_EXTRAS =
      Set.of("rows", "gate", "sampling", "matvec", "gemm");

  /** A program's source and its macros. */
  private record Variant(String stem, List<String> macros) {}

  private record Name(Variant program, String kernel) {}

  private final Cl cl;
  private final ProgramCache cache;
  private final Extras extras;
  private final Consumer<String> log;
  private final Map<Variant, Long> programs = new LinkedHashMap<>();
  private final Map<Name, Kernel> kernels = new HashMap<>();
  private final Set<Variant> refused = new HashSet<>();

  Programs(Cl cl, Extras extras, ProgramCache cache, Consumer<String> log) {
    this.cl = cl;
    this.extras = extras;
    this.cache = cache;
    this.log = log;
  }

  /**
   * Kernel {@code name} of native-kernels/opencl/{@code stem}.cl.
   *
   * @param macros {@code NAME=VALUE} each; every choice of them is a program of its own
   */
  synchronized Kernel kernel(String stem, String name, String... macros) {
    Variant variant = new Variant(stem, List.of(macros));
    return kernels.computeIfAbsent(
        new Name(variant, name), _ -> cl.kernelOf(program(variant), name));
  }

  /**
   * Whether the driver compiles {@code stem}.cl so, for a form that may be done without: that it
   * does not is said, once.
   */
  synchronized boolean builds(String stem, String... macros) {
    Variant variant = new Variant(stem, List.of(macros));
    if (refused.contains(variant)) {
      return false;
    }
    try {
      program(variant);
      return true;
    } catch (BackendException e) {
      refused.add(variant);
      log.accept("opencl: " + first(e) + "; done without");
      return false;
    }
  }

  private long program(Variant variant) {
    return programs.computeIfAbsent(
        variant,
        v -> {
          try (var _ = SignalHandlers.keep()) {
            return built(v);
          }
        });
  }

  /** With what the device has besides, or plainly if its driver takes offence. */
  private long built(Variant variant) {
    String more = extras.options(cl.device());
    if (!more.isEmpty() && WITH_EXTRAS.contains(variant.stem())) {
      try {
        return built(variant, more);
      } catch (BackendException e) {
        log.accept("opencl: " + first(e) + "; compiled plainly");
      }
    }
    return built(variant, "-cl-std=CL1.2");
  }

  private static String first(BackendException e) {
    return e.getMessage().lines().findFirst().orElse("");
  }

  private long built(Variant variant, String standard) {
    String source = ProgramSource.of(variant.stem());
    String options = "-w " + standard + (cl.device().cpu() ? " -DYZ_CPU" : "");
    String all =
        variant.macros().stream().map(m -> " -D" + m).collect(Collectors.joining("", options, ""));
    String key = ProgramCache.key(cl.device(), variant.stem(), source, all);
    return cache
        .read(key)
        .flatMap(cl::program)
        .flatMap(p -> fromBinary(p, all))
        .orElseGet(
            () -> {
              long program = compiled(variant.stem(), source, all);
              cache.write(key, () -> cl.binary(program));
              return program;
            });
  }

  private Optional<Long> fromBinary(long program, String options) {
    if (cl.build(program, options) == CL10.CL_SUCCESS) {
      return Optional.of(program);
    }
    cl.release(program);
    return Optional.empty();
  }

  private long compiled(String stem, String source, String options) {
    long program = cl.program(source);
    int result = cl.build(program, options);
    if (result == CL10.CL_SUCCESS) {
      return program;
    }
    String log = cl.buildLog(program).lines().limit(LOG_LINES).collect(Collectors.joining("\n"));
    cl.release(program);
    throw new BackendException(
        cl.device() + " does not compile " + stem + ".cl with " + options,
        "update its driver, or use --backend cpu; its compiler says:\n" + log,
        Results.failure(result, "building " + stem + ".cl"));
  }

  @Override
  public synchronized void close() {
    programs.values().forEach(cl::release);
  }
}
