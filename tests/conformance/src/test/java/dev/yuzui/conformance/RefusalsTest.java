package dev.yuzui.conformance;

import dev.yuzui.kit.RefusalsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class RefusalsTest extends RefusalsConformance {}
