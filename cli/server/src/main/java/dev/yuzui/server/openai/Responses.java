package dev.yuzui.server.openai;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.server.answer.Answer;
import dev.yuzui.server.answer.Answered;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.answer.Teller;
import dev.yuzui.server.answer.Translation;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.text.OutputMessage;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** {@code /v1/responses}, of which nothing is kept. */
public record Responses(Service service) {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  public void answer(Call call) throws InterruptedException {
    try {
      chat(call);
    } catch (HttpProblem problem) {
      throw Translation.renamed(problem, ResponsesRequest.NAMES);
    }
  }

  private void chat(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    boolean streamed = Service.field(() -> body.flag("stream")).orElse(false);
    RequestFields chat = Service.field(() -> ResponsesRequest.chat(body.object()));
    ParsedRequest request = service.parsed(chat, parser -> parser.chat(chat));
    service.requireRoom(request, "input");
    Form form =
        new Form(
            Ids.of("resp_"), Instant.now().getEpochSecond(), service.model().name(), body.object());
    Teller teller =
        streamed
            ? new ResponseEvents(call, form)
            : (Teller.Whole) all -> call.json(form.ended(all, Form.items(all)));
    service.answer(call, request, teller);
  }

  /**
   * What every form of a response says.
   *
   * @param createdAt seconds since 1970
   * @param asked the request's body, which a response repeats
   */
  record Form(String id, long createdAt, String model, JsonNode asked) {
    ObjectNode response(String status, List<ObjectNode> output) {
      ObjectNode body =
          JSON.objectNode()
              .put("id", id)
              .put("object", "response")
              .put("created_at", createdAt)
              .put("status", status)
              .put("model", model)
              .putNull("error")
              .putNull("incomplete_details")
              .putNull("previous_response_id")
              .put("store", false)
              .put("background", false);
      ArrayNode items = body.putArray("output");
      output.forEach(items::add);
      repeat(body, "instructions", JSON.nullNode());
      repeat(body, "max_output_tokens", JSON.nullNode());
      repeat(body, "metadata", JSON.objectNode());
      repeat(body, "parallel_tool_calls", JSON.booleanNode(true));
      repeat(body, "reasoning", JSON.objectNode().putNull("effort").putNull("summary"));
      repeat(body, "temperature", JSON.numberNode(1));
      ObjectNode text = JSON.objectNode();
      text.putObject("format").put("type", "text");
      repeat(body, "text", text);
      repeat(body, "tool_choice", JSON.textNode("auto"));
      repeat(body, "tools", JSON.arrayNode());
      repeat(body, "top_p", JSON.numberNode(1));
      repeat(body, "truncation", JSON.textNode("disabled"));
      return body.putNull("usage");
    }

    private void repeat(ObjectNode body, String name, JsonNode otherwise) {
      body.set(name, asked.hasNonNull(name) ? asked.get(name) : otherwise);
    }

    ObjectNode ended(Answered all, List<ObjectNode> output) {
      boolean cut = all.answers().getFirst().cut();
      ObjectNode body = response(cut ? "incomplete" : "completed", output);
      if (cut) {
        body.putObject("incomplete_details").put("reason", "max_output_tokens");
      }
      ObjectNode usage = body.putObject("usage").put("input_tokens", all.promptTokens());
      usage.putObject("input_tokens_details").put("cached_tokens", all.cachedTokens());
      usage.put("output_tokens", all.generatedTokens());
      usage.putObject("output_tokens_details").put("reasoning_tokens", all.reasoningTokens());
      usage.put("total_tokens", all.promptTokens() + all.generatedTokens());
      return body;
    }

    static String status(boolean whole) {
      return whole ? "completed" : "incomplete";
    }

    /** What the answer was cut in is its last item. */
    static List<ObjectNode> items(Answered all) {
      Answer answer = all.answers().getFirst();
      OutputMessage said = answer.message();
      Optional<String> text = said.content().filter(content -> !content.isEmpty());
      boolean calls = !said.calls().isEmpty();
      List<ObjectNode> items = new ArrayList<>();
      said.reasoning()
          .ifPresent(
              thought -> {
                boolean whole = !answer.cut() || text.isPresent() || calls;
                items.add(reasoning(Ids.of("rs_"), status(whole), thought));
              });
      text.ifPresent(
          content -> items.add(message(Ids.of("msg_"), status(!answer.cut() || calls), content)));
      for (OutputMessage.Call call : said.calls()) {
        items.add(
            call(Ids.of("fc_"), status(call.whole()), call.id(), call.name(), call.arguments()));
      }
      return items;
    }

    /** Of a text that is there, or none that is to come. */
    static ObjectNode reasoning(String id, String status, String text) {
      ObjectNode item = item("reasoning", id, status);
      item.putArray("summary");
      ArrayNode content = item.putArray("content");
      if (!text.isEmpty()) {
        content.add(thought(text));
      }
      return item;
    }

    static ObjectNode thought(String text) {
      return JSON.objectNode().put("type", "reasoning_text").put("text", text);
    }

    static ObjectNode message(String id, String status, String text) {
      ObjectNode item = item("message", id, status).put("role", "assistant");
      ArrayNode content = item.putArray("content");
      if (!text.isEmpty()) {
        content.add(part(text));
      }
      return item;
    }

    static ObjectNode part(String text) {
      ObjectNode part = JSON.objectNode().put("type", "output_text").put("text", text);
      part.putArray("annotations");
      part.putArray("logprobs");
      return part;
    }

    static ObjectNode call(String id, String status, String callId, String name, String arguments) {
      return item("function_call", id, status)
          .put("call_id", callId)
          .put("name", name)
          .put("arguments", arguments);
    }

    private static ObjectNode item(String type, String id, String status) {
      return JSON.objectNode().put("id", id).put("type", type).put("status", status);
    }
  }
}
