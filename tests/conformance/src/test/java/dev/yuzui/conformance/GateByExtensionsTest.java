package dev.yuzui.conformance;

import dev.yuzui.kit.GateConformance;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

/** Sub-groups and integer dot products, both emulated. */
@Tag("long")
@MethodSource("dev.yuzui.backend.opencl.OpenClVariants#withExtras")
class GateByExtensionsTest extends GateConformance {}
