package dev.yuzui.conformance;

import dev.yuzui.kit.ExpertsConformance;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

/** Sub-groups and integer dot products, both emulated; PoCL takes long to compile these. */
@Tag("long")
@MethodSource("dev.yuzui.backend.opencl.OpenClVariants#withExtras")
class ExpertsByExtensionsTest extends ExpertsConformance {}
