package dev.yuzui.conformance;

import dev.yuzui.kit.ProductsConformance;

class ProductsTest extends ProductsConformance {}
