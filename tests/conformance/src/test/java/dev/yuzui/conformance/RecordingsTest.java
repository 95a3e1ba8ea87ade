package dev.yuzui.conformance;

import dev.yuzui.kit.RecordingsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class RecordingsTest extends RecordingsConformance {}
