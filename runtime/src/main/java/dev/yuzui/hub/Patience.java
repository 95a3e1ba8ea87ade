package dev.yuzui.hub;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * How long is waited for a network that fails.
 *
 * @param attempts one after the other that brought nothing
 * @param firstDelay after the first of them; it doubles
 * @param longestDelay at most, also where a server asks for more
 * @param silence without a byte, after which a connection counts as dead
 * @param mostPart bytes of a file that one request asks for, at most
 */
record Patience(
    int attempts, Duration firstDelay, Duration longestDelay, Duration silence, long mostPart) {
  static final Patience USUAL =
      new Patience(
          7, Duration.ofMillis(500), Duration.ofMinutes(5), Duration.ofSeconds(30), 256L << 20);

  static final String INTERRUPTED = "interrupted; the same again goes on where it ended";

  private static final long SLICE_MILLIS = 20;

  Patience withAttempts(int most) {
    return new Patience(Math.min(attempts, most), firstDelay, longestDelay, silence, mostPart);
  }

  /** Whether the caller, or another thread, wants all work to end. */
  interface Stop extends BooleanSupplier {
    /**
     * @throws HubException if so
     */
    default void check() {
      if (getAsBoolean()) {
        throw HubException.interrupted(INTERRUPTED);
      }
    }
  }

  /** The attempts at one thing. */
  final class Attempts {
    private final Stop stop;
    private final Consumer<String> said;
    private int failed;

    Attempts(Stop stop, Consumer<String> said) {
      this.stop = stop;
      this.said = said;
    }

    /** Something came: what failed before does not count. */
    void progressed() {
      stop.check();
      failed = 0;
    }

    /** Something came that had come before. */
    void repeated() {
      stop.check();
    }

    /**
     * Waits before the next attempt.
     *
     * @param what failed and how
     * @param asked how long the server wants to be left alone
     * @throws HubException if it was the last, or the wait is too long, or nobody wants more
     */
    void failed(String what, Optional<Duration> asked) {
      stop.check();
      failed++;
      if (failed >= attempts) {
        throw HubException.system(
            what + ", " + failed + " times; the same again goes on where it ended");
      }
      if (asked.filter(time -> time.compareTo(longestDelay) > 0).isPresent()) {
        throw HubException.system(
            what
                + " and asks to wait "
                + asked.get().toSeconds()
                + " s; the same again, later, goes on where it ended");
      }
      Duration wait = asked.orElseGet(this::delay);
      if (failed > 1 || asked.isPresent()) {
        said.accept(what + "; trying again in " + Math.max(1, wait.toSeconds()) + " s");
      }
      sleep(wait);
    }

    private Duration delay() {
      long doubled = firstDelay.toMillis() << Math.min(failed - 1, 6);
      // apart, so that several connections do not come back together
      return Duration.ofMillis(doubled + ThreadLocalRandom.current().nextLong(doubled / 4 + 1));
    }

    private void sleep(Duration time) {
      long end = System.nanoTime() + time.toNanos();
      for (long left; (left = end - System.nanoTime()) > 0; ) {
        stop.check();
        pause(Math.min(SLICE_MILLIS, left / 1_000_000 + 1));
      }
    }
  }

  /**
   * @throws HubException if the thread is interrupted, which it stays
   */
  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      throw HubException.interrupted(INTERRUPTED);
    }
  }
}
