package dev.yuzui.conformance;

import dev.yuzui.kit.AttentionConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#withoutRepacking")
class AttentionWithoutRepackingTest extends AttentionConformance {}
