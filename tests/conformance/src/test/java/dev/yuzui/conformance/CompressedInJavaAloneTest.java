package dev.yuzui.conformance;

import dev.yuzui.kit.CompressedConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#javaAlone")
class CompressedInJavaAloneTest extends CompressedConformance {}
