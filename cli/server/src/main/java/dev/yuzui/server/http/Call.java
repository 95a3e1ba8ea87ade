package dev.yuzui.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Json;
import io.vertx.core.http.HttpServerResponse;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** A request whose body is there, and its answer. Used by the request's own thread. */
public final class Call {
  private static final byte[] NOTHING = {};

  private final Exchange exchange;
  private final Outlet outlet;
  private byte[] body;

  Call(Exchange exchange, Outlet outlet, byte[] body) {
    this.exchange = exchange;
    this.outlet = outlet;
    this.body = body;
  }

  /**
   * @throws ClientGone if nobody waits for the answer
   */
  public void requireClient() {
    outlet.requireClient();
  }

  /** The request's body, once: an answer may take long, and has no need of it. */
  public byte[] takeBody() {
    byte[] taken = body;
    body = NOTHING;
    return taken;
  }

  /** Done at the moment that the client is gone, on another thread. */
  public void onGone(Runnable action) {
    exchange.onGone(action);
  }

  public void json(JsonNode answer) {
    json(200, answer);
  }

  private void json(int status, JsonNode answer) {
    send(status, "application/json", Json.compact(answer).getBytes(StandardCharsets.UTF_8));
  }

  /**
   * A whole answer.
   *
   * @throws ClientGone if nobody reads it
   */
  public void send(int status, String type, byte[] answer) {
    exchange.response().setStatusCode(status).putHeader("Content-Type", type);
    outlet.whole(answer);
  }

  void fail(HttpProblem problem, ErrorForm form) {
    problem.headers().forEach(exchange.response()::putHeader);
    json(problem.status(), form.of(problem));
  }

  /** Whether an answer has begun. */
  boolean begun() {
    return exchange.response().headWritten();
  }

  /** An answer of pieces, of a status that is good. */
  public EventStream stream(String type, Map<String, String> headers) {
    HttpServerResponse response = exchange.response();
    headers.forEach(response::putHeader);
    response.setChunked(true).putHeader("Content-Type", type);
    return new EventStream(outlet);
  }

  /** Ends a connection whose answer cannot be ended well. */
  void drop() {
    exchange.cut();
  }
}
