package dev.yuzui.server.http;

import dev.yuzui.io.Json;
import io.vertx.core.Future;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.net.impl.ConnectionBase;
import java.util.concurrent.CompletableFuture;

/** A request and what becomes of it. Thread-safe. */
final class Exchange {
  private final HttpServerRequest request;
  private final CompletableFuture<Void> gone = new CompletableFuture<>();
  private final CompletableFuture<Void> over = new CompletableFuture<>();

  Exchange(HttpServerRequest request) {
    this.request = request;
    onGone(() -> over.complete(null));
    response().closeHandler(_ -> setGone());
    response().exceptionHandler(_ -> setGone());
    request.exceptionHandler(_ -> setGone());
  }

  HttpServerRequest request() {
    return request;
  }

  HttpServerResponse response() {
    return request.response();
  }

  void setGone() {
    gone.complete(null);
  }

  boolean isGone() {
    return gone.isDone();
  }

  /** Done at the moment that the client is gone, or at once, on any thread. */
  void onGone(Runnable action) {
    CompletableFuture<Void> _ = gone.thenRun(action);
  }

  /** The same when its answer is written, or nobody is there to read it. */
  void onOver(Runnable action) {
    CompletableFuture<Void> _ = over.thenRun(action);
  }

  /** Done when the client is gone. */
  CompletableFuture<Void> gone() {
    return gone.copy();
  }

  /** Nothing follows behind what is {@code written} then. */
  void end(Future<Void> written) {
    Future<Void> _ = written.onComplete(_ -> over.complete(null));
  }

  /** Answers with what is wrong; done when that is written. */
  Future<Void> refuse(HttpProblem problem, ErrorForm form) {
    problem.headers().forEach(response()::putHeader);
    Future<Void> written =
        response()
            .setStatusCode(problem.status())
            .putHeader("Content-Type", "application/json")
            .end(Json.compact(form.of(problem)));
    end(written);
    return written;
  }

  /** Ends the connection when the client has read what is written. */
  void close() {
    Future<Void> _ = request.connection().close();
  }

  /**
   * Ends the connection now. Closing one waits for the client to read what is written, which is
   * what it does not do; its own interface has no other way.
   */
  void cut() {
    var _ = ((ConnectionBase) request.connection()).channelHandlerContext().close();
  }
}
