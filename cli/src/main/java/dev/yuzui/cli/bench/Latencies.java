package dev.yuzui.cli.bench;

import java.util.Arrays;
import java.util.Locale;

/** Mean and percentiles of waiting times, in milliseconds; zeros of none. */
record Latencies(double mean, double p50, double p90, double p99) {
  private static final double MILLI = 1e-6;

  static Latencies ofNanos(long... nanos) {
    double[] sorted = Arrays.stream(nanos).mapToDouble(n -> n * MILLI).sorted().toArray();
    return new Latencies(
        Arrays.stream(sorted).average().orElse(0),
        percentile(sorted, 0.5),
        percentile(sorted, 0.9),
        percentile(sorted, 0.99));
  }

  /** Between the two nearest ranks of n values, the straight line: x at p·(n − 1). */
  private static double percentile(double[] sorted, double p) {
    if (sorted.length == 0) {
      return 0;
    }
    double rank = p * (sorted.length - 1);
    int below = (int) rank;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (rank - below) * (sorted[above] - sorted[below]);
  }

  String markdown() {
    return String.format(Locale.ROOT, "%.2f, %.2f, %.2f, %.2f", mean, p50, p90, p99);
  }
}
