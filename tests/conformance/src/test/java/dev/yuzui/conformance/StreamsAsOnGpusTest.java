package dev.yuzui.conformance;

import dev.yuzui.kit.StreamsConformance;
import org.junit.jupiter.params.provider.MethodSource;

/** Recordings are command buffers there. */
@MethodSource("dev.yuzui.backend.opencl.OpenClVariants#asOnGpus")
class StreamsAsOnGpusTest extends StreamsConformance {}
