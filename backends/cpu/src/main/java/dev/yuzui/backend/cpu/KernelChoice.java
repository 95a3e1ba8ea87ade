package dev.yuzui.backend.cpu;

import java.util.Optional;
import java.util.function.Consumer;

/**
 * The fastest kernels that run here; each refusal is logged with its reason. With native kernels
 * the Vector API is not missed: hardly an op is left to {@code rows} then, and none that takes a
 * share of a step's time.
 *
 * @param rows for all ops
 * @param strips for products of weights that were put into strips
 * @param natives for attention, and then for strips as well
 */
record KernelChoice(
    CpuKernels rows, Optional<StripKernels> strips, Optional<NativeKernels> natives) {
  private static final String MODULE = "jdk.incubator.vector";

  /** What may be chosen. */
  enum Allowed {
    ALL,
    /** Nothing but Java. */
    JAVA,
    /** Weights stay where they are mapped. */
    MAPPED
  }

  static KernelChoice choose(Allowed allowed, Consumer<String> log) {
    Optional<NativeKernels> natives = Optional.empty();
    switch (allowed) {
      case ALL ->
          natives = NativeKernels.find(because -> log.accept("cpu: no native kernels: " + because));
      case JAVA -> log.accept("cpu: no native kernels: --device " + CpuProvider.JAVA);
      case MAPPED ->
          log.accept(
              "cpu: no native kernels: they need repacked weights, and --no-repack was given");
    }
    CpuKernels rows = natives.isPresent() && !hasVectorModule() ? new ScalarKernels() : rows(log);
    Optional<StripKernels> strips = natives.map(n -> n);
    if (strips.isEmpty() && allowed != Allowed.MAPPED && rows instanceof VectorKernels) {
      strips = Optional.of(new VectorStrips());
    }
    KernelChoice choice = new KernelChoice(rows, strips, natives);
    log.accept("cpu: " + choice.description());
    return choice;
  }

  /** The strips that {@link #choose} would choose. */
  static Optional<StripKernels> packing() {
    return NativeKernels.find(_ -> {})
        .<StripKernels>map(n -> n)
        .or(() -> vectors() ? Optional.of(new VectorStrips()) : Optional.empty());
  }

  private static boolean vectors() {
    return hasVectorModule() && VectorKernels.lanes() >= 8;
  }

  private static CpuKernels rows(Consumer<String> log) {
    if (!hasVectorModule()) {
      String missing =
          "cpu: no vector kernels: module "
              + MODULE
              + " is missing; add --add-modules="
              + MODULE
              + " to the java command, or to JDK_JAVA_OPTIONS. Scalar kernels are many times slower";
      log.accept(missing);
      // a program that embeds the library may have no ear for the log, and would only be slow
      System.getLogger(KernelChoice.class.getPackageName())
          .log(System.Logger.Level.WARNING, missing);
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

  /** For ops on rows of F32. */
  RowKernels rowKernels() {
    return natives.<RowKernels>map(n -> n).orElse(rows);
  }

  /** For people, such as "native avx512-vnni and 512-bit vector kernels". */
  String description() {
    if (natives.isPresent() && rows instanceof ScalarKernels) {
      return "native " + natives.get().instructions() + " kernels";
    }
    return natives.map(n -> "native " + n.instructions() + " and ").orElse("") + rows.description();
  }

  private static boolean hasVectorModule() {
    return ModuleLayer.boot().findModule(MODULE).isPresent();
  }
}
