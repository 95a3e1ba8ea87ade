package dev.yuzui.conformance;

import dev.yuzui.kit.RulesConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class RulesTest extends RulesConformance {}
