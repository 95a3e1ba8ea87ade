package dev.yuzui.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Json;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/**
 * An answer that is written as it is made. What a client does not read waits in the connection up
 * to a limit, then the writer waits, and after the write timeout the connection is closed.
 *
 * @see <a href="https://html.spec.whatwg.org/multipage/server-sent-events.html">server-sent
 *     events</a>
 */
public final class EventStream {
  private final Vertx vertx;
  private final HttpServerRequest request;
  private final HttpServerResponse response;
  private final Duration writeTimeout;
  private final CompletableFuture<Void> gone;

  EventStream(
      Vertx vertx,
      HttpServerRequest request,
      HttpServerResponse response,
      Duration writeTimeout,
      CompletableFuture<Void> gone) {
    this.vertx = vertx;
    this.request = request;
    this.response = response;
    this.writeTimeout = writeTimeout;
    this.gone = gone;
  }

  /** A server-sent event without a name. */
  public void data(JsonNode data) throws InterruptedException {
    write("data: " + Json.compact(data) + "\n\n");
  }

  /** A server-sent event. */
  public void event(String name, JsonNode data) throws InterruptedException {
    write("event: " + name + "\ndata: " + Json.compact(data) + "\n\n");
  }

  /** A line of newline-delimited JSON. */
  public void line(JsonNode line) throws InterruptedException {
    write(Json.compact(line) + "\n");
  }

  /** A comment, which clients pass over; proxies see that the stream lives. */
  public void ping() throws InterruptedException {
    write(": ping\n\n");
  }

  /**
   * @throws ClientGone if nobody reads
   */
  public void write(String text) throws InterruptedException {
    requireClient();
    response.write(text);
    if (response.writeQueueFull()) {
      awaitRoom();
    }
  }

  private void awaitRoom() throws InterruptedException {
    CompletableFuture<Void> room = new CompletableFuture<>();
    response.drainHandler(_ -> room.complete(null));
    if (!response.writeQueueFull()) {
      return;
    }
    CompletableFuture<Object> any = CompletableFuture.anyOf(room, gone);
    try {
      any.completeOnTimeout(this, writeTimeout.toMillis(), TimeUnit.MILLISECONDS).join();
    } catch (CompletionException e) {
      throw new IllegalStateException(e);
    }
    requireClient();
    if (!room.isDone()) {
      request.connection().close();
      throw new ClientGone("the client read nothing for " + writeTimeout.toSeconds() + " s");
    }
  }

  private void requireClient() throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    if (gone.isDone()) {
      throw new ClientGone("the client left");
    }
  }

  public void end() {
    Call.awaitRead(vertx, request, response.end(), writeTimeout);
  }
}
