package dev.yuzui.backend.cpu;

import java.util.function.Consumer;

/** Picks the fastest kernels that run here; each refusal is logged with its reason. */
final class KernelChoice {
  private static final String MODULE = "jdk.incubator.vector";

  private KernelChoice() {}

  static CpuKernels choose(Consumer<String> log) {
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
    CpuKernels kernels = new VectorKernels();
    log.accept("cpu: " + kernels.description());
    return kernels;
  }

  static String vectorWidth() {
    return hasVectorModule()
        ? 32 * VectorKernels.lanes() + "-bit vectors"
        : "no vectors (add --add-modules=" + MODULE + ")";
  }

  private static boolean hasVectorModule() {
    return ModuleLayer.boot().findModule(MODULE).isPresent();
  }
}
