package dev.yuzui.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Json;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** A request whose body is there, and its answer. Used by the request's own thread. */
public final class Call {
  private final Vertx vertx;
  private final HttpServerRequest request;
  private final HttpServerResponse response;
  private final byte[] body;
  private final Duration writeTimeout;
  private final CompletableFuture<Void> gone;

  Call(
      Vertx vertx,
      HttpServerRequest request,
      byte[] body,
      Duration writeTimeout,
      CompletableFuture<Void> gone) {
    this.vertx = vertx;
    this.request = request;
    this.response = request.response();
    this.body = body;
    this.writeTimeout = writeTimeout;
    this.gone = gone;
  }

  /**
   * @throws ClientGone if nobody waits for the answer
   */
  public void requireClient() {
    if (gone.isDone()) {
      throw new ClientGone("the client left");
    }
  }

  public byte[] body() {
    return body;
  }

  /** A header of the request, empty where it has none. */
  public String header(String name) {
    String value = request.getHeader(name);
    return value == null ? "" : value;
  }

  /** Done at the moment that the client is gone, on another thread. */
  public void onGone(Runnable action) {
    CompletableFuture<Void> _ = gone.thenRun(action);
  }

  public void header(String name, String value) {
    response.putHeader(name, value);
  }

  public void json(JsonNode answer) {
    json(200, answer);
  }

  public void json(int status, JsonNode answer) {
    send(status, "application/json", Json.compact(answer).getBytes(StandardCharsets.UTF_8));
  }

  /** A whole answer. */
  public void send(int status, String type, byte[] answer) {
    requireClient();
    response.setStatusCode(status).putHeader("Content-Type", type);
    awaitRead(vertx, request, response.end(Buffer.buffer(answer)), writeTimeout);
  }

  /** Whoever reads nothing of an answer's end for so long is not waited for. */
  static void awaitRead(
      Vertx vertx, HttpServerRequest request, Future<Void> written, Duration writeTimeout) {
    if (written.isComplete()) {
      return;
    }
    long timer =
        vertx.setTimer(
            writeTimeout.toMillis(),
            _ -> {
              if (!written.isComplete()) {
                request.connection().close();
              }
            });
    written.onComplete(_ -> vertx.cancelTimer(timer));
  }

  void fail(HttpProblem problem, ErrorForm form) {
    problem.headers().forEach(response::putHeader);
    json(problem.status(), form.of(problem));
  }

  /** Whether an answer has begun. */
  boolean begun() {
    return response.headWritten();
  }

  /** An answer of pieces, of a status that is good. */
  public EventStream stream(String type, Map<String, String> headers) {
    headers.forEach(response::putHeader);
    response.setChunked(true).putHeader("Content-Type", type);
    return new EventStream(vertx, request, response, writeTimeout, gone);
  }

  /** Ends a connection whose answer cannot be ended well. */
  void drop() {
    request.connection().close();
  }
}
