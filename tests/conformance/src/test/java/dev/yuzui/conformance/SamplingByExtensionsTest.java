package dev.yuzui.conformance;

import dev.yuzui.kit.SamplingConformance;
import org.junit.jupiter.params.provider.MethodSource;

/** Sub-groups and integer dot products, both emulated. */
@MethodSource("dev.yuzui.backend.opencl.OpenClVariants#withExtras")
class SamplingByExtensionsTest extends SamplingConformance {}
