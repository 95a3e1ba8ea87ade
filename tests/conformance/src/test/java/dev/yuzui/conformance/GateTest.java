package dev.yuzui.conformance;

import dev.yuzui.kit.GateConformance;

class GateTest extends GateConformance {}
