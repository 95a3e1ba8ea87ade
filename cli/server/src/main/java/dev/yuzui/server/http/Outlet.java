package dev.yuzui.server.http;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerResponse;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Writes an answer as fast as its client reads. What a client does not read waits in the connection
 * up to a limit, then the writer waits, and once nothing has left for the write timeout the
 * connection is closed. Used by the request's own thread.
 */
final class Outlet {
  /** Bytes that are written at a time: a client that reads so many is one that reads. */
  private static final int SLICE = 8 << 10;

  private final Vertx vertx;
  private final Exchange exchange;
  private final Duration writeTimeout;

  /** When something left last, in {@link System#nanoTime}. */
  private volatile long moved = System.nanoTime();

  Outlet(Vertx vertx, Exchange exchange, Duration writeTimeout) {
    this.vertx = vertx;
    this.exchange = exchange;
    this.writeTimeout = writeTimeout;
  }

  private HttpServerResponse response() {
    return exchange.response();
  }

  /**
   * @throws ClientGone if nobody waits for the answer
   */
  void requireClient() {
    if (exchange.isGone()) {
      throw new ClientGone("the client left");
    }
  }

  /**
   * An answer whose length is known.
   *
   * @throws ClientGone if nobody reads
   */
  void whole(byte[] answer) {
    requireClient();
    if (answer.length <= SLICE || exchange.request().method().equals(HttpMethod.HEAD)) {
      end(response().end(Buffer.buffer(answer)));
      return;
    }
    response().putHeader("Content-Length", Integer.toString(answer.length));
    Buffer all = Buffer.buffer(answer);
    for (int at = 0; at < answer.length; at += SLICE) {
      write(all.slice(at, Math.min(at + SLICE, answer.length)));
    }
    end();
  }

  /**
   * @throws ClientGone if nobody reads
   */
  void write(Buffer piece) {
    requireClient();
    Future<Void> _ = response().write(piece).onSuccess(_ -> moved = System.nanoTime());
    if (response().writeQueueFull()) {
      awaitRoom();
    }
  }

  private void awaitRoom() {
    CompletableFuture<Void> room = new CompletableFuture<>();
    response().drainHandler(_ -> room.complete(null));
    if (!response().writeQueueFull()) {
      return;
    }
    long since = System.nanoTime();
    CompletableFuture<?> any = CompletableFuture.anyOf(room, exchange.gone());
    while (!any.isDone()) {
      long left = left(since);
      if (left <= 0) {
        exchange.cut();
        throw new ClientGone("the client read nothing for " + writeTimeout.toMillis() + " ms");
      }
      any.copy().completeOnTimeout(null, left, TimeUnit.NANOSECONDS).join();
    }
    requireClient();
  }

  /** Nanoseconds that the client still has, where it was waited for {@code since} then. */
  private long left(long since) {
    long now = System.nanoTime();
    return writeTimeout.toNanos() - Math.min(now - since, now - moved);
  }

  /** Nothing follows. */
  void end() {
    end(response().end());
  }

  private void end(Future<Void> written) {
    exchange.end(written);
    watch(written, System.nanoTime());
  }

  private void watch(Future<Void> written, long since) {
    if (written.isComplete()) {
      return;
    }
    long left = left(since);
    if (left <= 0) {
      exchange.cut();
      return;
    }
    long timer = vertx.setTimer(1 + left / 1_000_000, _ -> watch(written, since));
    Future<Void> _ = written.onComplete(_ -> vertx.cancelTimer(timer));
  }
}
