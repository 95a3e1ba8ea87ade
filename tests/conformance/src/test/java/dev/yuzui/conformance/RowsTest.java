package dev.yuzui.conformance;

import dev.yuzui.kit.RowsConformance;

class RowsTest extends RowsConformance {}
