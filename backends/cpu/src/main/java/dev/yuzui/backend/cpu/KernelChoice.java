package dev.yuzui.backend.cpu;

import java.util.Optional;
import java.util.function.Consumer;

/**
 * The fastest kernels that run here; each refusal is logged with its reason.
 *
 * @param rows for all ops
 * @param strips for products of weights that were put into strips
 */
record KernelChoice(CpuKernels rows, Optional<NativeKernels> strips) {
  private static final String MODULE = "jdk.incubator.vector";

  /**
   * @param repack whether weights may be put into strips
   */
  static KernelChoice choose(boolean repack, Consumer<String> log) {
    Optional<NativeKernels> strips = Optional.empty();
    if (repack) {
      strips = NativeKernels.find(because -> log.accept("cpu: no native kernels: " + because));
    } else {
      log.accept("cpu: no native kernels: they need repacked weights, and --no-repack was given");
    }
    KernelChoice choice = new KernelChoice(rows(log), strips);
    log.accept("cpu: " + choice.description());
    return choice;
  }

  private static CpuKernels rows(Consumer<String> log) {
    if (!hasVectorModule()) {
      log.accept(
          "cpu: no vector kernels: module "
              + MODULE
              + " is missing; add --add-modules="
              + MODULE
              + " to the java command. Scalar kernels are many times slower");
      return new ScalarKernels();
    }
    if (VectorKernels.lanes() < 8) {
      log.accept(
          "cpu: no vector kernels: vectors of this processor have "
              + 32 * VectorKernels.lanes()
              + " bits, they are written for 256 and more; scalar kernels are many times slower");
      return new ScalarKernels();
    }
    return new VectorKernels();
  }

  /** For people, such as "native avx512-vnni and 512-bit vector kernels". */
  String description() {
    return strips.map(s -> "native " + s.instructions() + " and ").orElse("") + rows.description();
  }

  private static boolean hasVectorModule() {
    return ModuleLayer.boot().findModule(MODULE).isPresent();
  }
}
