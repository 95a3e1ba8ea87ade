package dev.yuzui.conformance;

import dev.yuzui.kit.LatentConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class LatentTest extends LatentConformance {}
