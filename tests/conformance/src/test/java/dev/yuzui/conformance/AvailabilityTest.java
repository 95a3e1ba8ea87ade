package dev.yuzui.conformance;

import dev.yuzui.kit.AvailabilityConformance;

class AvailabilityTest extends AvailabilityConformance {}
