package dev.yuzui.server.openai;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.server.answer.Answered;
import dev.yuzui.server.answer.Teller;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.http.ErrorForm;
import dev.yuzui.server.http.EventStream;
import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.server.openai.ChatCompletions.Head;
import java.util.Map;
import java.util.Optional;

/** An answer as a stream of chunks, which {@code [DONE]} ends. */
abstract class Chunks implements Teller {
  private final Call call;
  private final Head head;
  private final StreamAsked asked;
  private final long start = System.nanoTime();
  private Optional<EventStream> stream = Optional.empty();

  Chunks(Call call, Head head, StreamAsked asked) {
    this.call = call;
    this.head = head;
    this.asked = asked;
  }

  /** What each chunk says it is. */
  abstract String type();

  ObjectNode chunk() {
    return head.object(type());
  }

  /** With the field that says that usage comes at the end. */
  void send(ObjectNode chunk) throws InterruptedException {
    if (asked.usage() && !chunk.has("usage")) {
      chunk.putNull("usage");
    }
    stream().data(chunk);
  }

  private EventStream stream() {
    if (stream.isEmpty()) {
      stream = Optional.of(call.stream("text/event-stream", Map.of("X-Accel-Buffering", "no")));
    }
    return stream.get();
  }

  @Override
  public void progress(int done, int total) throws InterruptedException {
    if (!asked.progress()) {
      return;
    }
    ObjectNode chunk = chunk();
    chunk.putArray("choices");
    chunk
        .putObject("prompt_progress")
        .put("total", total)
        .put("processed", done)
        .put("time_ms", (System.nanoTime() - start) / 1_000_000);
    send(chunk);
  }

  @Override
  public void ping() throws InterruptedException {
    stream().ping();
  }

  @Override
  public void end(Answered all) throws InterruptedException {
    ObjectNode last = chunk();
    last.putArray("choices");
    if (asked.usage()) {
      last.set("usage", all.usage());
      last.set("timings", all.timings());
      send(last);
    }
    stream().write("data: [DONE]\n\n");
    stream().end();
  }

  @Override
  public boolean begun() {
    return stream.isPresent();
  }

  @Override
  public void failed(HttpProblem problem) throws InterruptedException {
    stream().data(ErrorForm.OPENAI.of(problem));
    stream().end();
  }
}
