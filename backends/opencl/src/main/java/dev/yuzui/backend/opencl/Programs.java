package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.lwjgl.opencl.CL10;

/** The programs of native-kernels/opencl on one device, built as they are asked for. */
final class Programs implements AutoCloseable {
  private static final int LOG_LINES = 40;

  private final Cl cl;
  private final ProgramCache cache;
  private final String options;
  private final Map<String, Long> programs = new LinkedHashMap<>();
  private final Map<String, Kernel> kernels = new HashMap<>();

  Programs(Cl cl, ProgramCache cache) {
    this.cl = cl;
    this.cache = cache;
    this.options = "-cl-std=CL1.2" + (cl.device().cpu() ? " -DYZ_CPU" : "");
  }

  /** Kernel {@code name} of native-kernels/opencl/{@code stem}.cl. */
  synchronized Kernel kernel(String stem, String name) {
    return kernels.computeIfAbsent(name, _ -> new Kernel(program(stem), name));
  }

  private long program(String stem) {
    return programs.computeIfAbsent(stem, this::built);
  }

  private long built(String stem) {
    String source = ProgramSource.of(stem);
    String key = ProgramCache.key(cl.device(), stem, source, options);
    return cache
        .read(key)
        .flatMap(cl::program)
        .flatMap(this::fromBinary)
        .orElseGet(
            () -> {
              long program = compiled(stem, source);
              cache.write(key, cl.binary(program));
              return program;
            });
  }

  private Optional<Long> fromBinary(long program) {
    if (cl.build(program, options) == CL10.CL_SUCCESS) {
      return Optional.of(program);
    }
    cl.release(program);
    return Optional.empty();
  }

  private long compiled(String stem, String source) {
    long program = cl.program(source);
    int result = cl.build(program, options);
    if (result == CL10.CL_SUCCESS) {
      return program;
    }
    String log = cl.buildLog(program).lines().limit(LOG_LINES).reduce("", (a, b) -> a + "\n" + b);
    cl.release(program);
    throw new BackendException(
        cl.device() + " does not compile " + stem + ".cl",
        "update its driver, or use --backend cpu; its compiler says:" + log,
        Cl.failure(result, "building " + stem + ".cl"));
  }

  @Override
  public synchronized void close() {
    programs.values().forEach(cl::release);
  }
}
