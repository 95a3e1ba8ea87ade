package dev.yuzui.conformance;

import dev.yuzui.kit.ExpertsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#javaAlone")
class ExpertsInJavaAloneTest extends ExpertsConformance {}
