package dev.yuzui.conformance;

import dev.yuzui.kit.RowsConformance;
import org.junit.jupiter.params.provider.MethodSource;

/** Recordings are command buffers there. */
@MethodSource("dev.yuzui.backend.opencl.OpenClVariants#asOnGpus")
class RowsAsOnGpusTest extends RowsConformance {}
