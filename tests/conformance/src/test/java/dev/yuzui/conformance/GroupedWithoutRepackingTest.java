package dev.yuzui.conformance;

import dev.yuzui.kit.GroupedConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#withoutRepacking")
class GroupedWithoutRepackingTest extends GroupedConformance {}
