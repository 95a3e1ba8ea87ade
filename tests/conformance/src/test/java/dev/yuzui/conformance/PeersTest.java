package dev.yuzui.conformance;

import dev.yuzui.kit.PeersConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class PeersTest extends PeersConformance {}
