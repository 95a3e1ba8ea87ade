/**
 * The backend that the others are measured against: one thread, plain loops, sums in double, every
 * op's result rounded once to F32. It is written to be read beside the formulas of {@link
 * dev.yuzui.spi.Ops}, not to be fast.
 */
package dev.yuzui.backend.reference;
