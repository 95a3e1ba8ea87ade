package dev.yuzui.conformance;

import dev.yuzui.kit.GateConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class GateTest extends GateConformance {}
