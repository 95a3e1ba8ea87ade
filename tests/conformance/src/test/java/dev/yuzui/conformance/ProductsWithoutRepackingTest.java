package dev.yuzui.conformance;

import dev.yuzui.kit.ProductsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#withoutRepacking")
class ProductsWithoutRepackingTest extends ProductsConformance {}
