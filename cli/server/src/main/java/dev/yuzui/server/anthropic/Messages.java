package dev.yuzui.server.anthropic;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.io.Json;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.server.answer.Answer;
import dev.yuzui.server.answer.Answered;
import dev.yuzui.server.answer.Blocks;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.answer.Teller;
import dev.yuzui.server.answer.Translation;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.http.ErrorForm;
import dev.yuzui.server.http.EventStream;
import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.server.openai.Ids;
import dev.yuzui.text.OutputMessage;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@code /v1/messages} and {@code /v1/messages/count_tokens}. */
public record Messages(Service service) {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  public void answer(Call call) throws InterruptedException {
    try {
      chat(call);
    } catch (HttpProblem problem) {
      throw Translation.renamed(problem, MessagesRequest.NAMES);
    }
  }

  private void chat(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    boolean streamed = Service.field(() -> body.flag("stream")).orElse(false);
    if (!body.has("max_tokens")) {
      throw HttpProblem.of(400, "invalid_request", "max_tokens: expected a count, found none")
          .about("max_tokens");
    }
    ParsedRequest request = parsed(body);
    service.requireRoom(request, "messages");
    List<String> stops = Service.field(() -> body.texts("stop_sequences")).orElse(List.of());
    String id = Ids.of("msg_");
    Teller teller =
        streamed
            ? new Events(call, id, request, stops)
            : (Teller.Whole) all -> call.json(whole(id, all, stops));
    service.answer(call, request, teller);
  }

  public void count(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    call.json(JSON.objectNode().put("input_tokens", parsed(body).promptTokens()));
  }

  private ParsedRequest parsed(RequestFields body) throws InterruptedException {
    RequestFields chat = Service.field(() -> MessagesRequest.chat(body.object()));
    return service.parsed(chat, parser -> parser.chat(chat));
  }

  private ObjectNode message(String id) {
    return JSON.objectNode()
        .put("id", id)
        .put("type", "message")
        .put("role", "assistant")
        .put("model", service.model().name());
  }

  private ObjectNode whole(String id, Answered all, List<String> stops) {
    Answer answer = all.answers().getFirst();
    ObjectNode body = message(id);
    ArrayNode content = body.putArray("content");
    OutputMessage said = answer.message();
    said.reasoning()
        .ifPresent(
            text ->
                content
                    .addObject()
                    .put("type", "thinking")
                    .put("thinking", text)
                    .put("signature", ""));
    said.content()
        .filter(text -> !text.isEmpty())
        .ifPresent(text -> content.addObject().put("type", "text").put("text", text));
    for (OutputMessage.Call use : said.calls()) {
      content
          .addObject()
          .put("type", "tool_use")
          .put("id", use.id())
          .put("name", use.name())
          .set("input", use.whole() ? input(use.arguments()) : JSON.objectNode());
    }
    putStop(body, answer, stops);
    body.set("usage", usage(all));
    return body;
  }

  private static JsonNode input(String arguments) {
    try {
      return Json.mapper().readTree(arguments);
    } catch (JsonProcessingException e) {
      return JSON.objectNode(); // a model without a grammar's help can write anything
    }
  }

  /**
   * @param stops that the request asked for: the server may have some of its own
   */
  private static void putStop(ObjectNode to, Answer answer, List<String> stops) {
    Optional<String> stop = answer.result().stop().filter(stops::contains);
    to.put(
        "stop_reason",
        answer.callsTools()
            ? "tool_use"
            : stop.isPresent()
                ? "stop_sequence"
                : answer.result().finish() == FinishReason.LENGTH ? "max_tokens" : "end_turn");
    to.put("stop_sequence", stop.orElse(null));
  }

  /** What was found in the cache is not among the input tokens. */
  private static ObjectNode usage(Answered all) {
    return JSON.objectNode()
        .put("input_tokens", all.promptTokens() - all.cachedTokens())
        .put("cache_creation_input_tokens", 0)
        .put("cache_read_input_tokens", all.cachedTokens())
        .put("output_tokens", all.generatedTokens());
  }

  private final class Events extends Blocks {
    private final Call call;
    private final String id;
    private final ParsedRequest request;
    private final List<String> stops;

    Events(Call call, String id, ParsedRequest request, List<String> stops) {
      this.call = call;
      this.id = id;
      this.request = request;
      this.stops = stops;
    }

    private static ObjectNode event(String type) {
      return JSON.objectNode().put("type", type);
    }

    @Override
    protected EventStream begin() throws InterruptedException {
      EventStream to = call.stream("text/event-stream", Map.of("X-Accel-Buffering", "no"));
      ObjectNode start = event("message_start");
      ObjectNode message = message(id);
      message.putArray("content");
      message.putNull("stop_reason").putNull("stop_sequence");
      message
          .putObject("usage")
          .put("input_tokens", request.promptTokens())
          .put("cache_creation_input_tokens", 0)
          .put("cache_read_input_tokens", 0)
          .put("output_tokens", 0);
      start.set("message", message);
      to.event("message_start", start);
      return to;
    }

    @Override
    public void ping() throws InterruptedException {
      stream().event("ping", event("ping"));
    }

    @Override
    protected void opened(EventStream to, Block block) throws InterruptedException {
      ObjectNode event = event("content_block_start").put("index", block.index());
      ObjectNode content = event.putObject("content_block");
      switch (block.kind()) {
        case REASONING -> content.put("type", "thinking").put("thinking", "").put("signature", "");
        case TEXT -> content.put("type", "text").put("text", "");
        case CALL ->
            content
                .put("type", "tool_use")
                .put("id", block.id())
                .put("name", block.name())
                .putObject("input");
      }
      to.event("content_block_start", event);
    }

    @Override
    protected void grown(EventStream to, Block block, String more) throws InterruptedException {
      ObjectNode event = event("content_block_delta").put("index", block.index());
      ObjectNode delta = event.putObject("delta");
      switch (block.kind()) {
        case REASONING -> delta.put("type", "thinking_delta").put("thinking", more);
        case TEXT -> delta.put("type", "text_delta").put("text", more);
        case CALL -> delta.put("type", "input_json_delta").put("partial_json", more);
      }
      to.event("content_block_delta", event);
    }

    @Override
    protected void closed(EventStream to, Block block, boolean whole) throws InterruptedException {
      to.event("content_block_stop", event("content_block_stop").put("index", block.index()));
    }

    @Override
    protected void ended(EventStream to, Answered all) throws InterruptedException {
      ObjectNode event = event("message_delta");
      putStop(event.putObject("delta"), all.answers().getFirst(), stops);
      event.set("usage", usage(all));
      to.event("message_delta", event);
      to.event("message_stop", event("message_stop"));
    }

    @Override
    public void failed(HttpProblem problem) throws InterruptedException {
      stream().event("error", ErrorForm.ANTHROPIC.of(problem));
      stream().end();
    }
  }
}
