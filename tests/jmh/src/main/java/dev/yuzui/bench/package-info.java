/**
 * Benchmarks of the CPU kernels. Each checks its result against the dequantizer or the formula
 * before it measures. {@code scripts/roofline} runs them beside probes of what the machine can do
 * at most ({@link dev.yuzui.bench.LimitsBenchmark}) and prints what share of it each reaches.
 */
package dev.yuzui.bench;
