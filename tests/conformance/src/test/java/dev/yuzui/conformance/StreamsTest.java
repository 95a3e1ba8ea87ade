package dev.yuzui.conformance;

import dev.yuzui.kit.StreamsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class StreamsTest extends StreamsConformance {}
