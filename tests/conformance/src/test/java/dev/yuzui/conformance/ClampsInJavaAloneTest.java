package dev.yuzui.conformance;

import dev.yuzui.kit.ClampsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#javaAlone")
class ClampsInJavaAloneTest extends ClampsConformance {}
