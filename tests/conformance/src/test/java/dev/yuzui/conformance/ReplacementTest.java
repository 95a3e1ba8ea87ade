package dev.yuzui.conformance;

import dev.yuzui.kit.ReplacementConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class ReplacementTest extends ReplacementConformance {}
