package dev.yuzui.conformance;

import dev.yuzui.kit.ProductsConformance;
import org.junit.jupiter.params.provider.MethodSource;

@MethodSource("dev.yuzui.backend.cpu.CpuVariants#javaAlone")
class ProductsInJavaAloneTest extends ProductsConformance {}
