package dev.yuzui.conformance;

import dev.yuzui.kit.BlocksConformance;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

/** PoCL takes a second or more to compile each of these kernels, with barriers, for a size. */
@Tag("long")
@MethodSource("dev.yuzui.backend.opencl.OpenClVariants#asOnGpus")
class BlocksAsOnGpusTest extends BlocksConformance {}
