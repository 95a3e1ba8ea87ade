package dev.yuzui.server.http;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import java.io.ByteArrayOutputStream;
import java.util.function.Consumer;

/** A request's body, limited in size and time. Used by an event loop. */
final class Body {
  private final Vertx vertx;
  private final HttpOptions options;
  private final Exchange exchange;
  private final ErrorForm errors;
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private long timer;
  private long seen;
  private long taken;
  private boolean over;

  Body(Vertx vertx, HttpOptions options, Exchange exchange, ErrorForm errors) {
    this.vertx = vertx;
    this.options = options;
    this.exchange = exchange;
    this.errors = errors;
  }

  static HttpProblem tooLong(HttpOptions options) {
    return HttpProblem.of(
        413,
        "request_too_large",
        "expected a body of at most " + options.maxBody() + " bytes (--max-body)");
  }

  /**
   * @param held what bodies of all requests take, this one's until its answer is over
   */
  void read(Budget held, Consumer<byte[]> then) {
    timer =
        vertx.setTimer(
            options.bodyTimeout().toMillis(),
            _ ->
                refuse(
                    HttpProblem.of(
                        408,
                        "body_timeout",
                        "expected the body within " + options.bodyTimeout().toMillis() + " ms")));
    exchange
        .request()
        .exceptionHandler(
            _ -> {
              end();
              exchange.setGone();
            });
    exchange.onOver(() -> held.give(taken)); // which no piece comes behind
    exchange.request().handler(piece -> add(piece, held));
    exchange
        .request()
        .endHandler(
            _ -> {
              if (!over) {
                end();
                then.accept(bytes.toByteArray());
              }
            });
  }

  private void add(Buffer piece, Budget held) {
    int length = piece.length();
    seen += length;
    if (over) {
      return;
    }
    if (seen > options.maxBody()) {
      refuse(tooLong(options));
    } else if (!held.take(length)) {
      refuse(
          HttpProblem.of(
                  503,
                  "too_many_bodies",
                  "the server holds as much of other requests as it may; ask again soon")
              .withHeader("Retry-After", "1"));
    } else {
      taken += length;
      bytes.writeBytes(piece.getBytes());
    }
  }

  /** The connection goes on where it ends in time and is no longer than what is read. */
  void drop() {
    timer = vertx.setTimer(options.bodyTimeout().toMillis(), _ -> exchange.close());
    exchange
        .request()
        .handler(
            piece -> {
              seen += piece.length();
              if (seen > options.maxBody()) {
                exchange.close();
              }
            });
    exchange.request().endHandler(_ -> end());
  }

  /** Whoever sends what nobody reads has no more connection. */
  private void refuse(HttpProblem problem) {
    if (!over) {
      end();
      Future<Void> _ = exchange.refuse(problem, errors).onComplete(_ -> exchange.close());
    }
  }

  private void end() {
    over = true;
    vertx.cancelTimer(timer);
  }
}
