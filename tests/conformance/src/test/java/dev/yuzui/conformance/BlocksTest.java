package dev.yuzui.conformance;

import dev.yuzui.kit.BlocksConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class BlocksTest extends BlocksConformance {}
