package dev.yuzui.conformance;

import dev.yuzui.kit.RowsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class RowsTest extends RowsConformance {}
