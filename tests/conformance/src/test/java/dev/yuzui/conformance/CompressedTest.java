package dev.yuzui.conformance;

import dev.yuzui.kit.CompressedConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class CompressedTest extends CompressedConformance {}
