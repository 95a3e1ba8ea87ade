package dev.yuzui.engine;

import java.util.ArrayDeque;
import java.util.Deque;

/** What was opened, to be closed in the opposite order. */
final class Unwind implements AutoCloseable {
  private final Deque<AutoCloseable> open = new ArrayDeque<>();

  <T extends AutoCloseable> T add(T resource) {
    open.push(resource);
    return resource;
  }

  /** Closes everything, because of a failure, which is the one to report. */
  void giveUp(Throwable because) {
    try {
      close();
    } catch (RuntimeException e) {
      because.addSuppressed(e);
    }
  }

  /** Closes everything, then throws what went wrong first. */
  @Override
  public void close() {
    RuntimeException first = null;
    while (!open.isEmpty()) {
      try {
        open.pop().close();
      } catch (Exception e) {
        RuntimeException failure =
            e instanceof RuntimeException known ? known : new IllegalStateException(e);
        if (first == null) {
          first = failure;
        } else {
          first.addSuppressed(failure);
        }
      }
    }
    if (first != null) {
      throw first;
    }
  }
}
