package dev.yuzui.conformance;

import dev.yuzui.kit.ClampsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class ClampsTest extends ClampsConformance {}
