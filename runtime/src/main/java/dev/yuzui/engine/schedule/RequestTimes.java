package dev.yuzui.engine.schedule;

import dev.yuzui.engine.api.GenerationResult.Timings;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/** When things happened to a request, in {@link System#nanoTime}. */
final class RequestTimes {
  /** No one waits longer, and it fits into nanoseconds. */
  private static final Duration LONGEST = Duration.ofDays(10_000);

  private final long made = System.nanoTime();
  private final OptionalLong deadline;
  private Optional<Long> begun = Optional.empty();
  private Optional<Long> firstToken = Optional.empty();
  private int cached;

  RequestTimes(Optional<Duration> timeout) {
    deadline =
        timeout
            .map(t -> OptionalLong.of(made + (t.compareTo(LONGEST) < 0 ? t : LONGEST).toNanos()))
            .orElse(OptionalLong.empty());
  }

  /** When the request's time is up. */
  OptionalLong deadline() {
    return deadline;
  }

  /**
   * It has a sequence.
   *
   * @param found tokens of the prompt that were in the cache
   */
  void begin(int found) {
    if (begun.isEmpty()) {
      begun = Optional.of(System.nanoTime());
      cached = found;
    }
  }

  /** Its prompt has been read. */
  void promptRead() {
    if (firstToken.isEmpty()) {
      firstToken = Optional.of(System.nanoTime());
    }
  }

  long queueNanos() {
    return begun.orElseGet(System::nanoTime) - made;
  }

  /** From the request to its first token, or to now. */
  long firstTokenNanos() {
    return firstToken.orElseGet(System::nanoTime) - made;
  }

  int cached() {
    return cached;
  }

  /**
   * @param held of the prompt, found or read
   */
  Timings timings(int held, int sampled) {
    long now = System.nanoTime();
    long start = begun.orElse(now);
    long first = firstToken.orElse(now);
    return new Timings(
        queueNanos() * 1e-9,
        cached,
        held - cached,
        (first - start) * 1e-9,
        Math.max(0, sampled - 1),
        (now - first) * 1e-9);
  }
}
