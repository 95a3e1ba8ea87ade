package dev.yuzui.conformance;

import dev.yuzui.kit.GroupedConformance;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

@Tag("ci")
@MethodSource("dev.yuzui.backend.cpu.CpuVariants#withoutRepacking")
class GroupedWithoutRepackingTest extends GroupedConformance {}
