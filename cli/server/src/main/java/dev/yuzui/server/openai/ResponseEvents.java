package dev.yuzui.server.openai;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.server.answer.Answered;
import dev.yuzui.server.answer.Blocks;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.http.EventStream;
import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.server.openai.Responses.Form;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A response as it is made: items open, grow and close, each event numbered. */
final class ResponseEvents extends Blocks {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final Call call;
  private final Form form;
  private final List<ObjectNode> items = new ArrayList<>();
  private String item = "";
  private int sequence;

  ResponseEvents(Call call, Form form) {
    this.call = call;
    this.form = form;
  }

  private void send(EventStream to, String type, ObjectNode event) throws InterruptedException {
    ObjectNode all = JSON.objectNode().put("type", type).put("sequence_number", sequence++);
    all.setAll(event);
    to.event(type, all);
  }

  private void sendResponse(EventStream to, String type, ObjectNode response)
      throws InterruptedException {
    ObjectNode event = JSON.objectNode();
    event.set("response", response);
    send(to, type, event);
  }

  /** Of the open item. */
  private ObjectNode about(Block block) {
    return JSON.objectNode().put("item_id", item).put("output_index", block.index());
  }

  private ObjectNode item(Block block, String status) {
    String text = block.soFar().toString();
    return switch (block.kind()) {
      case REASONING -> Form.reasoning(item, status, text);
      case TEXT -> Form.message(item, status, text);
      case CALL -> Form.call(item, status, block.id(), block.name(), text);
    };
  }

  private ObjectNode withItem(Block block, ObjectNode content) {
    ObjectNode event = JSON.objectNode().put("output_index", block.index());
    event.set("item", content);
    return event;
  }

  private ObjectNode withPart(Block block) {
    ObjectNode event = about(block).put("content_index", 0);
    String text = block.soFar().toString();
    event.set("part", block.kind() == Kind.REASONING ? Form.thought(text) : Form.part(text));
    return event;
  }

  @Override
  protected EventStream begin() throws InterruptedException {
    EventStream to = call.stream("text/event-stream", Map.of("X-Accel-Buffering", "no"));
    sendResponse(to, "response.created", form.response("in_progress", List.of()));
    sendResponse(to, "response.in_progress", form.response("in_progress", List.of()));
    return to;
  }

  @Override
  protected void opened(EventStream to, Block block) throws InterruptedException {
    item =
        Ids.of(
            switch (block.kind()) {
              case REASONING -> "rs_";
              case TEXT -> "msg_";
              case CALL -> "fc_";
            });
    send(to, "response.output_item.added", withItem(block, item(block, "in_progress")));
    if (block.kind() != Kind.CALL) {
      send(to, "response.content_part.added", withPart(block));
    }
  }

  @Override
  protected void grown(EventStream to, Block block, String more) throws InterruptedException {
    switch (block.kind()) {
      case REASONING ->
          send(
              to,
              "response.reasoning_text.delta",
              about(block).put("content_index", 0).put("delta", more));
      case TEXT -> {
        ObjectNode event = about(block).put("content_index", 0).put("delta", more);
        event.putArray("logprobs");
        send(to, "response.output_text.delta", event);
      }
      case CALL ->
          send(to, "response.function_call_arguments.delta", about(block).put("delta", more));
    }
  }

  @Override
  protected void closed(EventStream to, Block block, boolean whole) throws InterruptedException {
    String text = block.soFar().toString();
    switch (block.kind()) {
      case REASONING -> {
        send(
            to,
            "response.reasoning_text.done",
            about(block).put("content_index", 0).put("text", text));
        send(to, "response.content_part.done", withPart(block));
      }
      case TEXT -> {
        ObjectNode event = about(block).put("content_index", 0).put("text", text);
        event.putArray("logprobs");
        send(to, "response.output_text.done", event);
        send(to, "response.content_part.done", withPart(block));
      }
      case CALL ->
          send(
              to,
              "response.function_call_arguments.done",
              about(block).put("name", block.name()).put("arguments", text));
    }
    ObjectNode done = item(block, Form.status(whole));
    items.add(done);
    send(to, "response.output_item.done", withItem(block, done));
  }

  @Override
  protected void ended(EventStream to, Answered all) throws InterruptedException {
    ObjectNode response = form.ended(all, items);
    boolean whole = response.path("status").asText().equals("completed");
    sendResponse(to, whole ? "response.completed" : "response.incomplete", response);
  }

  @Override
  public void failed(HttpProblem problem) throws InterruptedException {
    ObjectNode response = form.response("failed", items);
    response.putObject("error").put("code", problem.code()).put("message", problem.getMessage());
    sendResponse(stream(), "response.failed", response);
    stream().end();
  }
}
