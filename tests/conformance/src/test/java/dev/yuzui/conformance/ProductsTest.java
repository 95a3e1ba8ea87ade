package dev.yuzui.conformance;

import dev.yuzui.kit.ProductsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.kit.BackendsUnderTest#all")
class ProductsTest extends ProductsConformance {}
