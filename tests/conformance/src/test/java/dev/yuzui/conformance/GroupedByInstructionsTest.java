package dev.yuzui.conformance;

import dev.yuzui.backend.cpu.CpuVariants;
import dev.yuzui.kit.GroupedConformance;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

@Tag("ci")
@MethodSource("dev.yuzui.backend.cpu.CpuVariants#instructionSets")
class GroupedByInstructionsTest extends GroupedConformance {
  @AfterAll
  static void asBefore() {
    CpuVariants.bestInstructions();
  }
}
