package dev.yuzui.engine.schedule;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.Generation;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** Where other threads leave word for the engine's thread. Thread-safe. */
final class Inbox {
  /**
   * @param closing nothing more will be done
   */
  record Mail(List<Request> arrived, List<Generation> cancelled, boolean closing) {}

  private List<Request> arrived = new ArrayList<>();
  private List<Generation> cancelled = new ArrayList<>();
  private boolean disturbed;
  private boolean closing;
  private Optional<EngineException> shut = Optional.empty();

  /**
   * @throws EngineException the reason, if the engine takes no more
   */
  synchronized void submit(Request request) {
    if (shut.isPresent()) {
      throw new EngineException(shut.get().getMessage(), shut.get().getCause());
    }
    arrived.add(request);
    disturb();
  }

  synchronized void cancel(Generation generation) {
    if (shut.isEmpty()) {
      cancelled.add(generation);
      disturb();
    }
  }

  /** What the engine's thread waited for may have come. */
  synchronized void disturb() {
    disturbed = true;
    notifyAll();
  }

  synchronized void close() {
    closing = true;
    disturb();
  }

  /**
   * What has come.
   *
   * @param wait until something does
   * @param until in {@link System#nanoTime}: no longer than that
   */
  synchronized Mail take(boolean wait, OptionalLong until) {
    try {
      while (wait && !disturbed) {
        long nanos = until.isPresent() ? until.getAsLong() - System.nanoTime() : Long.MAX_VALUE;
        if (nanos <= 0) {
          break;
        }
        wait(until.isPresent() ? nanos / 1_000_000 + 1 : 0);
      }
    } catch (InterruptedException _) {
      // a listener's doing: it has no meaning here
    }
    disturbed = false;
    return empty();
  }

  synchronized boolean isShut() {
    return shut.isPresent();
  }

  /** Takes no more, for {@code reason}; what was left behind. */
  synchronized Mail shut(EngineException reason) {
    shut = Optional.of(reason);
    return empty();
  }

  private Mail empty() {
    Mail mail = new Mail(arrived, cancelled, closing);
    arrived = new ArrayList<>();
    cancelled = new ArrayList<>();
    return mail;
  }
}
