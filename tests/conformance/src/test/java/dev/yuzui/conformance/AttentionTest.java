package dev.yuzui.conformance;

import dev.yuzui.kit.AttentionConformance;

class AttentionTest extends AttentionConformance {}
