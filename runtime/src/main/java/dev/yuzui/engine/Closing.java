package dev.yuzui.engine;

import dev.yuzui.engine.api.EngineException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * The end of an engine, which comes once, whoever asks for it and how often: nothing new begins
 * from the moment it is asked for, and nothing is given back before those who use it have left.
 */
final class Closing {
  private final AtomicBoolean begun = new AtomicBoolean();
  private final CountDownLatch done = new CountDownLatch(1);

  /** Whether nobody has asked for it. */
  boolean isOpen() {
    return !begun.get();
  }

  /**
   * @throws EngineException once closing has begun
   */
  void requireOpen() {
    if (!isOpen()) {
      throw new EngineException("the engine is closed");
    }
  }

  /**
   * Returns once the engine is closed; for a caller that uses it, at once. The first caller hears
   * of what goes wrong.
   *
   * @param inside whether the caller is in the middle of a use, which {@code end} waits for: a
   *     thread of its own does it then
   * @param end waits for those who use the engine, then gives back what it has
   * @param log told what goes wrong where nobody hears of it
   */
  void close(boolean inside, Runnable end, Consumer<String> log) {
    if (!begun.getAndSet(true)) {
      if (inside) {
        Thread.ofPlatform().name("yuzui-close").start(() -> endAlone(end, log));
      } else {
        end(end);
      }
    } else if (!inside) {
      await();
    }
  }

  private void end(Runnable end) {
    try {
      end.run();
    } finally {
      done.countDown();
    }
  }

  private void endAlone(Runnable end, Consumer<String> log) {
    try {
      end(end);
    } catch (RuntimeException e) {
      log.accept("closing the engine failed: " + e.getMessage());
    }
  }

  private void await() {
    boolean interrupted = false;
    while (true) {
      try {
        done.await();
        break;
      } catch (InterruptedException _) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
