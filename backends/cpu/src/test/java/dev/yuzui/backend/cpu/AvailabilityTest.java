package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.kit.Required;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What this machine has not got, skipped once and by name: the other tests pass it over. (Surefire
 * does not count a class that gives up before its first test.)
 */
class AvailabilityTest {
  private final StringBuilder why = new StringBuilder();
  private final Optional<NativeKernels> kernels = NativeKernels.find(why::append);

  @Test
  void nativeKernelsAreBuilt() {
    if (kernels.isEmpty()) {
      Required.missing("cpu", "no native kernels: " + why);
    }
  }

  static List<String> instructions() {
    return NativeKernels.INSTRUCTIONS;
  }

  @ParameterizedTest
  @MethodSource("instructions")
  void thisProcessorHas(String instructions) {
    assumeTrue(kernels.isPresent(), "no native kernels: " + why);
    NativeKernels there = kernels.get();
    String best = there.instructions();
    try {
      assumeTrue(there.use(instructions), "this processor has no " + instructions);
      assertEquals(instructions, there.instructions());
    } finally {
      there.use(best);
    }
  }

  @Test
  void vectorsAreLongEnoughForKernels() {
    assumeTrue(VectorKernels.lanes() >= 8, "vectors of this processor are too short for kernels");
  }
}
