package dev.yuzui.conformance;

import dev.yuzui.kit.BlocksConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#javaAlone")
class BlocksInJavaAloneTest extends BlocksConformance {}
