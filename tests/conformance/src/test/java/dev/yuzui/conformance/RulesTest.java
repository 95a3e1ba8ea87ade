package dev.yuzui.conformance;

import dev.yuzui.kit.RulesConformance;

class RulesTest extends RulesConformance {}
