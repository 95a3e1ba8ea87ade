package dev.yuzui.cli.scale;

import dev.yuzui.cli.scale.ScaleCommand.Row;
import java.util.List;
import java.util.Locale;

/**
 * What DeepSeek's online service did in a day of February 2025 ("DeepSeek-V3/R1 Inference System
 * Overview"): prefill on 32 devices, decoding on 144.
 */
final class ScalePublished {
  /** Tokens a second of a node, those found in the cache included. */
  private static final double INPUT = 73_700;

  private static final double FOUND = 0.563;
  private static final double OUTPUT = 14_800;
  private static final int PREFILL_DEVICES = 32;
  private static final int DECODE_DEVICES = 144;

  private ScalePublished() {}

  static List<String> compare(List<Row> rows) {
    double computed = INPUT * (1 - FOUND);
    return List.of(
        text(
            "input     %,.0f tokens/s a node, of which %.1f %% were found in a cache: %,.0f computed%s",
            INPUT,
            100 * FOUND,
            computed,
            rows.stream()
                .filter(row -> row.devices() == PREFILL_DEVICES)
                .map(row -> ratio(row.prefill().tokens() / computed, PREFILL_DEVICES))
                .findFirst()
                .orElse("")),
        text(
            "output    %,.0f tokens/s a node, of contexts of 4,989 tokens%s",
            OUTPUT,
            rows.stream()
                .filter(row -> row.devices() == DECODE_DEVICES)
                .map(row -> ratio(row.decode().tokens() / OUTPUT, DECODE_DEVICES))
                .findFirst()
                .orElse("")),
        "a day's average of a service whose load comes and goes, with answers at 20 to 22 tokens/s;",
        "the prediction is of full batches, without launches, waits, sampling or scheduling");
  }

  private static String ratio(double ratio, int devices) {
    return text("; predicted on %d devices: %.2f times that", devices, ratio);
  }

  private static String text(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
