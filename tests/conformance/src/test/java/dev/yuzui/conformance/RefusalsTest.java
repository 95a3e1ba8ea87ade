package dev.yuzui.conformance;

import dev.yuzui.kit.RefusalsConformance;

class RefusalsTest extends RefusalsConformance {}
