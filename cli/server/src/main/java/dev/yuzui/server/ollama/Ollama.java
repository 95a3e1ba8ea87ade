package dev.yuzui.server.ollama;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.io.Json;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.server.answer.Answer;
import dev.yuzui.server.answer.Answered;
import dev.yuzui.server.answer.Piece;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.answer.Teller;
import dev.yuzui.server.answer.Translation;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.http.ErrorForm;
import dev.yuzui.server.http.EventStream;
import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.text.OutputEvent;
import dev.yuzui.text.OutputMessage;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@code /api/chat}, {@code /api/generate}, {@code /api/tags}, {@code /api/version}. */
public record Ollama(Service service) {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  public void chat(Call call) throws InterruptedException {
    try {
      converse(call);
    } catch (HttpProblem problem) {
      throw Translation.renamed(problem, OllamaRequest.names(true));
    }
  }

  private void converse(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    RequestFields chat = Service.field(() -> OllamaRequest.chat(body.object()));
    answer(call, body, service.parsed(chat, parser -> parser.chat(chat)), Form.CHAT);
  }

  public void generate(Call call) throws InterruptedException {
    try {
      goOn(call);
    } catch (HttpProblem problem) {
      throw Translation.renamed(problem, OllamaRequest.names(false));
    }
  }

  private void goOn(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    if (Service.field(() -> body.text("prompt")).orElse("").isEmpty()) {
      ObjectNode loaded = line().put("response", "").put("done", true);
      call.json(loaded.put("done_reason", "load")); // which is how clients ask for the model
      return;
    }
    boolean raw = Service.field(() -> body.flag("raw")).orElse(false);
    boolean untemplated = raw || service.model().template().isEmpty();
    RequestFields asked =
        Service.field(
            () ->
                untemplated
                    ? OllamaRequest.raw(body.object())
                    : OllamaRequest.generate(body.object()));
    ParsedRequest request =
        service.parsed(
            asked, parser -> untemplated ? parser.completion(asked) : parser.chat(asked));
    answer(call, body, request, Form.GENERATE);
  }

  /** The one model that is served. */
  public void tags(Call call) {
    ObjectNode body = JSON.objectNode();
    String name = service.model().name();
    ObjectNode model =
        body.putArray("models")
            .addObject()
            .put("name", name)
            .put("model", name)
            .put("modified_at", Instant.EPOCH.toString())
            .put("size", service.engine().memoryPlan().weightBytes())
            .put("digest", "");
    model
        .putObject("details")
        .put("format", "gguf")
        .put("family", service.engine().config().name())
        .put("parameter_size", "")
        .put("quantization_level", "");
    call.json(body);
  }

  public void version(Call call) {
    call.json(JSON.objectNode().put("version", service.options().version()));
  }

  private enum Form {
    CHAT,
    GENERATE;

    /** Where text goes. */
    ObjectNode put(ObjectNode line, String content, Optional<String> thinking, ArrayNode calls) {
      ObjectNode to = this == CHAT ? line.putObject("message").put("role", "assistant") : line;
      to.put(this == CHAT ? "content" : "response", content);
      thinking.ifPresent(text -> to.put("thinking", text));
      if (!calls.isEmpty()) {
        to.set("tool_calls", calls);
      }
      return line;
    }
  }

  private ObjectNode line() {
    return JSON.objectNode()
        .put("model", service.model().name())
        .put("created_at", Instant.now().toString());
  }

  private void answer(Call call, RequestFields body, ParsedRequest request, Form form)
      throws InterruptedException {
    service.requireRoom(request, form == Form.CHAT ? "messages" : "prompt");
    long start = System.nanoTime();
    boolean streamed = Service.field(() -> body.flag("stream")).orElse(true);
    Teller teller =
        streamed
            ? new Lines(call, form, start)
            : (Teller.Whole)
                all -> {
                  OutputMessage said = all.answers().getFirst().message();
                  ObjectNode line =
                      form.put(line(), said.content().orElse(""), said.reasoning(), calls(said));
                  call.json(finish(line, all, start));
                };
    service.answer(call, request, teller);
  }

  private static ArrayNode calls(OutputMessage said) {
    ArrayNode calls = JSON.arrayNode();
    for (OutputMessage.Call each : said.calls()) {
      if (each.whole()) {
        calls
            .addObject()
            .putObject("function")
            .put("name", each.name())
            .set("arguments", arguments(each.arguments()));
      }
    }
    return calls;
  }

  private static JsonNode arguments(String json) {
    try {
      return Json.mapper().readTree(json);
    } catch (JsonProcessingException e) {
      return JSON.objectNode();
    }
  }

  private static ObjectNode finish(ObjectNode line, Answered all, long start) {
    Answer answer = all.answers().getFirst();
    GenerationResult.Timings t = answer.result().timings();
    return line.put("done", true)
        .put("done_reason", answer.finish().equals("length") ? "length" : "stop")
        .put("total_duration", System.nanoTime() - start)
        .put("load_duration", 0)
        .put("prompt_eval_count", all.promptTokens())
        .put("prompt_eval_duration", Math.round(t.promptSeconds() * 1e9))
        .put("eval_count", all.generatedTokens())
        .put("eval_duration", Math.round(t.predictedSeconds() * 1e9));
  }

  /** A line of JSON for each piece. */
  private final class Lines implements Teller {
    private final Call call;
    private final Form form;
    private final long start;
    private Optional<EventStream> stream = Optional.empty();

    Lines(Call call, Form form, long start) {
      this.call = call;
      this.form = form;
      this.start = start;
    }

    private EventStream stream() {
      if (stream.isEmpty()) {
        stream = Optional.of(call.stream("application/x-ndjson", Map.of()));
      }
      return stream.get();
    }

    @Override
    public void progress(int done, int total) {}

    /** Its streams have no comments. */
    @Override
    public void ping() {}

    @Override
    public void piece(int choice, Piece piece, List<OutputEvent> events)
        throws InterruptedException {
      for (OutputEvent event : events) {
        switch (event) {
          case OutputEvent.Content(String text) -> send(text, Optional.empty());
          case OutputEvent.Reasoning(String text) -> send("", Optional.of(text));
          default -> {} // a call is told when it is whole
        }
      }
    }

    private void send(String content, Optional<String> thinking) throws InterruptedException {
      stream().line(form.put(line(), content, thinking, JSON.arrayNode()).put("done", false));
    }

    @Override
    public void done(Answer answer, List<OutputEvent> last) throws InterruptedException {
      piece(answer.choice(), new Piece(0, "", Optional.empty()), last);
      ArrayNode calls = calls(answer.message());
      if (!calls.isEmpty()) {
        stream().line(form.put(line(), "", Optional.empty(), calls).put("done", false));
      }
    }

    @Override
    public void end(Answered all) throws InterruptedException {
      ObjectNode last = form.put(line(), "", Optional.empty(), JSON.arrayNode());
      stream().line(finish(last, all, start));
      stream().end();
    }

    @Override
    public boolean begun() {
      return stream.isPresent();
    }

    @Override
    public void failed(HttpProblem problem) throws InterruptedException {
      stream().line(ErrorForm.OLLAMA.of(problem));
      stream().end();
    }
  }
}
