package dev.yuzui.engine;

import java.util.ArrayDeque;
import java.util.Deque;

/** Closes what was opened, last first, when opening the rest failed. */
final class Unwind {
  private final Deque<AutoCloseable> open = new ArrayDeque<>();

  <T extends AutoCloseable> T add(T resource) {
    open.push(resource);
    return resource;
  }

  void close() {
    for (AutoCloseable resource : open) {
      try {
        resource.close();
      } catch (Exception _) {
        // the failure that made us unwind is the one to report
      }
    }
  }
}
