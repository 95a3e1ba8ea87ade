package dev.yuzui.conformance;

import dev.yuzui.kit.ExpertsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class ExpertsTest extends ExpertsConformance {}
