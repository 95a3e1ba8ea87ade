package dev.yuzui.conformance;

import dev.yuzui.kit.RowsConformance;
import org.junit.jupiter.params.provider.MethodSource;

/** Sub-groups and integer dot products, both emulated. */
@MethodSource("dev.yuzui.backend.opencl.OpenClVariants#withExtras")
class RowsByExtensionsTest extends RowsConformance {}
