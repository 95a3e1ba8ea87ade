package dev.yuzui.conformance;

import dev.yuzui.kit.SamplingConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class SamplingTest extends SamplingConformance {}
