package dev.yuzui.conformance;

import dev.yuzui.backend.cpu.CpuVariants;
import dev.yuzui.kit.IndexConformance;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

@Tag("ci")
@MethodSource("dev.yuzui.backend.cpu.CpuVariants#instructionSets")
class IndexByInstructionsTest extends IndexConformance {
  @AfterAll
  static void asBefore() {
    CpuVariants.bestInstructions();
  }
}
