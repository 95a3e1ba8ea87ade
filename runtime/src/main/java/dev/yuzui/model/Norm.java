package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/** RMS norm: x / √(mean(x²) + eps) · weight. */
record Norm(Tensor weight, float eps) {}
