package dev.yuzui.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Json;
import io.vertx.core.buffer.Buffer;

/**
 * An answer that is written as it is made; see {@link Outlet} for clients that do not read.
 *
 * @see <a href="https://html.spec.whatwg.org/multipage/server-sent-events.html">server-sent
 *     events</a>
 */
public final class EventStream {
  private final Outlet outlet;

  EventStream(Outlet outlet) {
    this.outlet = outlet;
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
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    outlet.write(Buffer.buffer(text));
  }

  public void end() {
    outlet.end();
  }
}
