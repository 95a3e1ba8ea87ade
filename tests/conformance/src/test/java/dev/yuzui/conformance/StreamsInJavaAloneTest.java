package dev.yuzui.conformance;

import dev.yuzui.kit.StreamsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#javaAlone")
class StreamsInJavaAloneTest extends StreamsConformance {}
