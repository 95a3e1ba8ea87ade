package dev.yuzui.conformance;

import dev.yuzui.kit.ReplacementConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#javaAlone")
class ReplacementInJavaAloneTest extends ReplacementConformance {}
