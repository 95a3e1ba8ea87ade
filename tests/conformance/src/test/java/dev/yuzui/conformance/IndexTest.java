package dev.yuzui.conformance;

import dev.yuzui.kit.IndexConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class IndexTest extends IndexConformance {}
