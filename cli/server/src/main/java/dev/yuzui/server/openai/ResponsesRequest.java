package dev.yuzui.server.openai;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.server.answer.Translation;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A request to {@code /v1/responses} as the chat that asks the same. */
final class ResponsesRequest {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final Set<String> TEXT = Set.of("input_text", "output_text", "text");

  /** What it calls the chat's fields. */
  static final Map<String, String> NAMES =
      Map.of(
          "messages", "input",
          "max_tokens", "max_output_tokens",
          "response_format", "text.format",
          "reasoning_effort", "reasoning.effort");

  private static final Set<String> KNOWN =
      Set.of(
          "model",
          "input",
          "instructions",
          "max_output_tokens",
          "temperature",
          "top_p",
          "tools",
          "tool_choice",
          "parallel_tool_calls",
          "text",
          "reasoning",
          "stream",
          // they change nothing here
          "store",
          "metadata",
          "user",
          "include",
          "truncation",
          "service_tier",
          "stream_options",
          "safety_identifier",
          "prompt_cache_key",
          "prompt_cache_retention",
          "max_tool_calls",
          // refused unless they say nothing
          "top_logprobs",
          "previous_response_id",
          "conversation",
          "prompt",
          "background");

  private ResponsesRequest() {}

  /**
   * @throws RequestProblem if it asks for what there is not
   */
  static RequestFields chat(JsonNode asked) {
    new RequestFields(asked).requireKnown(List.of(KNOWN));
    RequestFields fields = new RequestFields(asked);
    for (String kept : Set.of("previous_response_id", "conversation", "prompt")) {
      fields.refuse(
          kept, "none, for this server keeps no responses; send the input whole", Set.of());
    }
    fields.refuse("background", "false", Set.of("false"));
    fields.refuse("top_logprobs", "0, for answers here carry none", Set.of("0"));
    ObjectNode chat = JSON.objectNode();
    Translation.copy(asked, "model", chat, "model");
    Translation.copy(asked, "max_output_tokens", chat, "max_tokens");
    Translation.copy(asked, "temperature", chat, "temperature");
    Translation.copy(asked, "top_p", chat, "top_p");
    Translation.copy(asked, "parallel_tool_calls", chat, "parallel_tool_calls");
    ArrayNode messages = chat.putArray("messages");
    if (asked.hasNonNull("instructions")) {
      messages.addObject().put("role", "system").set("content", asked.get("instructions"));
    }
    input(asked.path("input"), messages);
    tools(asked, chat);
    format(asked.path("text").path("format"), chat);
    Translation.copy(asked.path("reasoning"), "effort", chat, "reasoning_effort");
    return new RequestFields(chat);
  }

  private static void input(JsonNode input, ArrayNode messages) {
    if (input.isTextual()) {
      messages.addObject().put("role", "user").set("content", input);
      return;
    }
    if (!input.isArray() || input.isEmpty()) {
      throw RequestProblem.field("input", "a text, or an array of items", input.toString());
    }
    Optional<String> thought = Optional.empty();
    Optional<ObjectNode> calling = Optional.empty();
    for (JsonNode item : input) {
      String type = item.path("type").asText("message");
      if (!type.equals("function_call")) {
        calling = Optional.empty();
      }
      switch (type) {
        case "message" -> {
          ObjectNode message = messages.addObject();
          message.put("role", item.path("role").asText());
          message.put("content", Translation.text(item.path("content"), "input", TEXT));
          thought.ifPresent(text -> message.put("reasoning_content", text));
          thought = Optional.empty();
          if (message.path("role").asText().equals("assistant")) {
            calling = Optional.of(message); // what it calls belongs to what it says
          }
        }
        case "reasoning" -> thought = thought(item);
        case "function_call" -> {
          ObjectNode message =
              calling.orElseGet(
                  () -> messages.addObject().put("role", "assistant").putNull("content"));
          thought.ifPresent(text -> message.put("reasoning_content", text));
          thought = Optional.empty();
          call(item, message.withArrayProperty("tool_calls"));
          calling = Optional.of(message);
        }
        case "function_call_output" -> {
          JsonNode output = item.path("output");
          messages
              .addObject()
              .put("role", "tool")
              .put("tool_call_id", item.path("call_id").asText())
              .put("content", Translation.text(output, "input", TEXT));
        }
        default -> throw Translation.unreadable("input", item);
      }
    }
  }

  /** What was thought, where its text came back; a summary is not it. */
  private static Optional<String> thought(JsonNode item) {
    StringBuilder text = new StringBuilder();
    item.path("content").forEach(part -> text.append(part.path("text").asText()));
    return text.isEmpty() ? Optional.empty() : Optional.of(text.toString());
  }

  private static void call(JsonNode item, ArrayNode calls) {
    calls
        .addObject()
        .put("id", item.path("call_id").asText())
        .put("type", "function")
        .putObject("function")
        .put("name", item.path("name").asText())
        .put("arguments", item.path("arguments").asText());
  }

  private static void tools(JsonNode asked, ObjectNode chat) {
    if (asked.hasNonNull("tools")) {
      ArrayNode tools = chat.putArray("tools");
      for (JsonNode tool : asked.get("tools")) {
        if (!tool.path("type").asText().equals("function")) {
          throw RequestProblem.field("tools", "functions", "one of type " + tool.path("type"));
        }
        ObjectNode function = tools.addObject().put("type", "function").putObject("function");
        for (String name : Set.of("name", "description", "parameters", "strict")) {
          Translation.copy(tool, name, function, name);
        }
      }
    }
    JsonNode choice = asked.path("tool_choice");
    if (choice.isObject() && choice.path("type").asText().equals("function")) {
      chat.putObject("tool_choice")
          .put("type", "function")
          .putObject("function")
          .set("name", choice.path("name"));
    } else {
      Translation.copy(asked, "tool_choice", chat, "tool_choice");
    }
  }

  private static void format(JsonNode format, ObjectNode chat) {
    if (!format.isObject()) {
      return;
    }
    ObjectNode to = chat.putObject("response_format");
    Translation.copy(format, "type", to, "type");
    if (format.path("type").asText().equals("json_schema")) {
      ObjectNode schema = to.putObject("json_schema");
      for (String name : Set.of("name", "schema", "strict")) {
        Translation.copy(format, name, schema, name);
      }
    }
  }
}
