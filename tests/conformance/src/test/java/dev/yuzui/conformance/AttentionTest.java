package dev.yuzui.conformance;

import dev.yuzui.kit.AttentionConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class AttentionTest extends AttentionConformance {}
