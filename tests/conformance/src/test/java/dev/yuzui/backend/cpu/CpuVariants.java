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
 * on older processors. None where the cpu backend is not under test.
 */
public final class CpuVariants {
  private CpuVariants() {}

  public static Stream<Named<BackendProvider>> withoutRepacking() {
    return underTest(new WithoutRepacking());
  }

  public static Stream<Named<BackendProvider>> javaAlone() {
    return underTest(new JavaAlone());
  }

  /** Of this processor; its own AvailabilityTest skips the others by name. */
  public static Stream<Named<BackendProvider>> instructionSets() {
    Optional<NativeKernels> kernels = NativeKernels.find(_ -> {});
    String best = kernels.map(NativeKernels::instructions).orElse("");
    Stream<Named<BackendProvider>> there =
        underTest(
            NativeKernels.INSTRUCTIONS.stream()
                .filter(set -> kernels.filter(k -> !best.equals(set) && k.use(set)).isPresent())
                .map(WithInstructions::new)
                .toArray(BackendProvider[]::new));
    bestInstructions();
    return there;
  }

  private static Stream<Named<BackendProvider>> underTest(BackendProvider... variants) {
    return BackendsUnderTest.all().anyMatch(named -> named.getPayload().name().equals("cpu"))
        ? Stream.of(variants).map(p -> named(p.name(), p))
        : Stream.empty();
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
      return new CpuProvider().probe();
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
      return new CpuProvider().probe();
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
      return new CpuProvider().probe();
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
    NativeKernels.find(_ -> {}).ifPresent(k -> NativeKernels.INSTRUCTIONS.forEach(k::use));
  }
}
