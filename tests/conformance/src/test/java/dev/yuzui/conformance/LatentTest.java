package dev.yuzui.conformance;

import dev.yuzui.kit.LatentConformance;

class LatentTest extends LatentConformance {}
