package dev.yuzui.conformance;

import dev.yuzui.kit.ExpertsConformance;

class ExpertsTest extends ExpertsConformance {}
