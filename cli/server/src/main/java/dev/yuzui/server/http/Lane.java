package dev.yuzui.server.http;

import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import java.time.Duration;

/**
 * A connection, which is closed when it has no request for too long. An answer may end on its
 * request's thread while the event loop begins the next.
 */
final class Lane {
  /** A connection without a request for so long is closed. */
  private static final Duration KEEP_ALIVE = Duration.ofSeconds(75);

  private final Vertx vertx;
  private final HttpConnection connection;
  private int requests;
  private long timer;

  /**
   * @param first until its first request
   */
  Lane(Vertx vertx, HttpConnection connection, Duration first) {
    this.vertx = vertx;
    this.connection = connection;
    watch(first);
  }

  private void watch(Duration limit) {
    timer = vertx.setTimer(Math.max(1, limit.toMillis()), _ -> connection.close());
  }

  synchronized void begin() {
    vertx.cancelTimer(timer);
    requests++;
  }

  /** More may have come while it was answered. */
  synchronized void end() {
    if (--requests == 0) {
      watch(KEEP_ALIVE);
    }
  }

  synchronized void closed() {
    vertx.cancelTimer(timer);
  }
}
