package dev.yuzui.server.http;

import java.util.concurrent.atomic.AtomicLong;

/** Bytes that may be held at a time. Thread-safe. */
final class Budget {
  private final long most;
  private final AtomicLong held = new AtomicLong();

  Budget(long most) {
    this.most = most;
  }

  /** Whether there were so many left; they are taken then. */
  boolean take(long bytes) {
    if (held.addAndGet(bytes) <= most) {
      return true;
    }
    held.addAndGet(-bytes);
    return false;
  }

  void give(long bytes) {
    held.addAndGet(-bytes);
  }
}
