package dev.yuzui.cli.bench;

import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * What memory each backend reads from gives: as the user says, or, for those on the host, as
 * measured once there is something to compare.
 */
final class BenchLimits {
  /** Backends whose memory is the host's. */
  private static final List<String> HOST = List.of("cpu", "reference");

  private final Map<String, Double> given;
  private final Map<Integer, Double> measured = new HashMap<>();

  /**
   * @param given bytes a second, by backend, in the order they are told in
   */
  BenchLimits(Map<String, Double> given) {
    this.given = Collections.unmodifiableMap(new LinkedHashMap<>(given));
  }

  /** Bytes a second. */
  OptionalDouble of(BenchSetup setup) {
    String label = setup.label();
    if (given.containsKey(label)) {
      return OptionalDouble.of(given.get(label));
    }
    return HOST.contains(setup.backend())
        ? OptionalDouble.of(measured.computeIfAbsent(setup.nThreads(), MemoryBandwidth::measure))
        : OptionalDouble.empty();
  }

  /** Where the numbers come from. */
  String text() {
    StringBuilder out = new StringBuilder();
    measured.forEach(
        (threads, bytes) ->
            out.append(
                String.format(
                    Locale.ROOT,
                    "Host memory: %.1f GB/s, measured with %d threads when the tests were over. ",
                    bytes / 1e9,
                    threads)));
    given.forEach(
        (backend, bytes) ->
            out.append(
                String.format(Locale.ROOT, "%s: %.1f GB/s, as given. ", backend, bytes / 1e9)));
    return out.toString().strip();
  }
}
