package dev.yuzui.conformance;

import dev.yuzui.kit.GroupedConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class GroupedTest extends GroupedConformance {}
