package dev.yuzui.conformance;

import dev.yuzui.kit.ClampsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#withoutRepacking")
class ClampsWithoutRepackingTest extends ClampsConformance {}
