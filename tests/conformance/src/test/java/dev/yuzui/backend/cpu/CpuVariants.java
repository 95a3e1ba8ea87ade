package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Named.named;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;

/**
 * The cpu backend as it runs where the default is not: without repacking, without native kernels,
 * on older processors.
 */
public final class CpuVariants {
  private CpuVariants() {}

  public static Stream<Named<BackendProvider>> withoutRepacking() {
    return Stream.of(new WithoutRepacking()).map(p -> named(p.name(), p));
  }

  public static Stream<Named<BackendProvider>> javaAlone() {
    return Stream.of(new JavaAlone()).map(p -> named(p.name(), p));
  }

  public static Stream<Named<BackendProvider>> instructionSets() {
    return Stream.of("avx2", "scalar").map(WithInstructions::new).map(p -> named(p.name(), p));
  }

  private static Optional<BackendProvider.Probe> excluded() {
    return BackendsUnderTest.all().anyMatch(named -> named.getPayload().name().equals("cpu"))
        ? Optional.empty()
        : Optional.of(
            new BackendProvider.Probe.Unusable(
                "the cpu backend is not under test", "name it in yuzui.backend"));
  }

  private record WithoutRepacking() implements BackendProvider {
    @Override
    public String name() {
      return "cpu --no-repack";
    }

    @Override
    public int preference() {
      return -1;
    }

    @Override
    public Probe probe() {
      return excluded().orElseGet(() -> new CpuProvider().probe());
    }

    @Override
    public Backend open(BackendOptions options) {
      return new CpuProvider().open(options.withRepack(false));
    }
  }

  private record JavaAlone() implements BackendProvider {
    @Override
    public String name() {
      return CpuProvider.JAVA;
    }

    @Override
    public int preference() {
      return -1;
    }

    @Override
    public Probe probe() {
      return excluded().orElseGet(() -> new CpuProvider().probe());
    }

    @Override
    public Backend open(BackendOptions options) {
      return new CpuProvider()
          .open(
              new BackendOptions(
                  options.threads(), Optional.of(CpuProvider.JAVA), true, options.log()));
    }
  }

  /** The instruction set stays when the backend is closed: {@link #bestInstructions}. */
  private record WithInstructions(String instructions) implements BackendProvider {
    @Override
    public String name() {
      return "cpu with " + instructions;
    }

    @Override
    public int preference() {
      return -1;
    }

    @Override
    public Probe probe() {
      return excluded().orElseGet(this::probeKernels);
    }

    private Probe probeKernels() {
      StringBuilder why = new StringBuilder();
      Optional<NativeKernels> kernels = NativeKernels.find(why::append);
      if (kernels.isEmpty()) {
        return new Probe.Unusable("no native kernels: " + why, "build them");
      }
      return kernels.get().use(instructions)
          ? new CpuProvider().probe()
          : new Probe.Unusable("this processor has no " + instructions, "use another machine");
    }

    @Override
    public Backend open(BackendOptions options) {
      NativeKernels.find(_ -> {}).orElseThrow().use(instructions);
      Backend backend = new CpuProvider().open(options);
      if (!backend.description().contains("native " + instructions + " ")) {
        throw new AssertionError(backend.description() + ", not with " + instructions);
      }
      return backend;
    }
  }

  /** Goes back to the instruction set that the library chose. */
  public static void bestInstructions() {
    NativeKernels.find(_ -> {})
        .ifPresent(k -> Stream.of("scalar", "avx2", "avx512-vnni").forEach(k::use));
  }
}
