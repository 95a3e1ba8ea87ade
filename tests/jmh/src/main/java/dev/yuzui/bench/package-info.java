/**
 * Benchmarks of the CPU kernels. Each checks its result against the dequantizer or the formula
 * before it measures; read products of one vector beside {@link dev.yuzui.bench.MemoryBenchmark} of
 * the same run.
 */
package dev.yuzui.bench;
