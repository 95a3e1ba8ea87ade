package dev.yuzui.conformance;

import dev.yuzui.kit.SamplingConformance;

class SamplingTest extends SamplingConformance {}
