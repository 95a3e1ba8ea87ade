package dev.yuzui.server.anthropic;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.io.Json;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.server.answer.Translation;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Anthropic's request as the OpenAI chat that asks the same. */
final class MessagesRequest {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final Set<String> TEXT = Set.of("text");

  /** What it calls the chat's fields. */
  static final Map<String, String> NAMES =
      Map.of(
          "stop", "stop_sequences",
          "response_format", "output_config",
          "parallel_tool_calls", "tool_choice");

  private static final Set<String> KNOWN =
      Set.of(
          "model",
          "messages",
          "system",
          "max_tokens",
          "stop_sequences",
          "stream",
          "temperature",
          "top_p",
          "top_k",
          "tools",
          "tool_choice",
          "thinking",
          "output_config",
          "output_format",
          // they change nothing here
          "metadata",
          "service_tier",
          "container",
          "context_management",
          "betas");

  private MessagesRequest() {}

  /**
   * @throws RequestProblem if it asks for what there is not
   */
  static RequestFields chat(JsonNode asked) {
    new RequestFields(asked).requireKnown(List.of(KNOWN));
    ObjectNode chat = JSON.objectNode();
    Translation.copy(asked, "model", chat, "model");
    Translation.copy(asked, "max_tokens", chat, "max_tokens");
    Translation.copy(asked, "stop_sequences", chat, "stop");
    Translation.copy(asked, "temperature", chat, "temperature");
    Translation.copy(asked, "top_p", chat, "top_p");
    Translation.copy(asked, "top_k", chat, "top_k");
    ArrayNode messages = chat.putArray("messages");
    if (asked.hasNonNull("system")) {
      messages
          .addObject()
          .put("role", "system")
          .put("content", Translation.text(asked.get("system"), "system", TEXT));
    }
    if (!asked.path("messages").isArray()) {
      throw RequestProblem.field("messages", "an array", asked.path("messages").toString());
    }
    asked.path("messages").forEach(message -> add(message, messages));
    tools(asked, chat);
    thinking(asked.path("thinking"), chat);
    format(asked, chat);
    return new RequestFields(chat);
  }

  private static void add(JsonNode message, ArrayNode to) {
    String role = message.path("role").asText();
    JsonNode content = message.path("content");
    if (!content.isTextual() && !content.isArray()) {
      throw RequestProblem.field(
          "messages", "a content of text or blocks in each", message.toString());
    }
    switch (role) {
      case "user" -> user(content, to);
      case "assistant" -> assistant(content, to);
      case "system" ->
          to.addObject()
              .put("role", "system")
              .put("content", Translation.text(content, "messages", TEXT));
      default -> throw RequestProblem.field("messages", "a role of user or assistant", role);
    }
  }

  /** Results of tools are turns of their own. */
  private static void user(JsonNode content, ArrayNode to) {
    if (content.isTextual()) {
      to.addObject().put("role", "user").set("content", content);
      return;
    }
    StringBuilder text = new StringBuilder();
    for (JsonNode block : content) {
      switch (block.path("type").asText()) {
        case "text" -> text.append(block.path("text").asText());
        case "tool_result" -> {
          JsonNode result = block.path("content");
          to.addObject()
              .put("role", "tool")
              .put("tool_call_id", block.path("tool_use_id").asText())
              .put(
                  "content",
                  result.isMissingNode() || result.isNull()
                      ? ""
                      : Translation.text(result, "messages", TEXT));
        }
        default -> throw Translation.unreadable("messages", block);
      }
    }
    if (!text.isEmpty() || content.isEmpty()) {
      to.addObject().put("role", "user").put("content", text.toString());
    }
  }

  private static void assistant(JsonNode content, ArrayNode to) {
    ObjectNode message = to.addObject().put("role", "assistant");
    if (content.isTextual()) {
      message.set("content", content);
      return;
    }
    StringBuilder text = new StringBuilder();
    StringBuilder thought = new StringBuilder();
    ArrayNode calls = JSON.arrayNode();
    for (JsonNode block : content) {
      switch (block.path("type").asText()) {
        case "text" -> text.append(block.path("text").asText());
        case "thinking" -> thought.append(block.path("thinking").asText());
        case "redacted_thinking" -> {}
        case "tool_use" -> {
          ObjectNode call =
              calls.addObject().put("id", block.path("id").asText()).put("type", "function");
          call.putObject("function")
              .put("name", block.path("name").asText())
              .put("arguments", Json.compact(block.path("input")));
        }
        default -> throw Translation.unreadable("messages", block);
      }
    }
    if (!thought.isEmpty()) {
      message.put("reasoning_content", thought.toString());
    }
    message.put("content", text.isEmpty() && !calls.isEmpty() ? null : text.toString());
    if (!calls.isEmpty()) {
      message.set("tool_calls", calls);
    }
  }

  private static void tools(JsonNode asked, ObjectNode chat) {
    if (asked.hasNonNull("tools")) {
      ArrayNode tools = chat.putArray("tools");
      for (JsonNode tool : asked.get("tools")) {
        String type = tool.path("type").asText("custom");
        if (!type.equals("custom")) {
          throw RequestProblem.field("tools", "tools of the client's own", "one of type " + type);
        }
        ObjectNode function = tools.addObject().put("type", "function").putObject("function");
        Translation.copy(tool, "name", function, "name");
        Translation.copy(tool, "description", function, "description");
        Translation.copy(tool, "input_schema", function, "parameters");
        Translation.copy(tool, "strict", function, "strict");
      }
    }
    JsonNode choice = asked.path("tool_choice");
    if (choice.isMissingNode() || choice.isNull()) {
      return;
    }
    switch (choice.path("type").asText()) {
      case "auto" -> chat.put("tool_choice", "auto");
      case "any" -> chat.put("tool_choice", "required");
      case "none" -> chat.put("tool_choice", "none");
      case "tool" ->
          chat.putObject("tool_choice")
              .put("type", "function")
              .putObject("function")
              .put("name", choice.path("name").asText());
      default ->
          throw RequestProblem.field(
              "tool_choice", "a type of auto, any, tool or none", choice.toString());
    }
    if (choice.path("disable_parallel_tool_use").asBoolean()) {
      chat.put("parallel_tool_calls", false);
    }
  }

  private static void thinking(JsonNode thinking, ObjectNode chat) {
    if (thinking.isMissingNode() || thinking.isNull()) {
      return;
    }
    switch (thinking.path("type").asText()) {
      case "enabled", "disabled" ->
          chat.putObject("thinking").put("type", thinking.path("type").asText());
      case "adaptive" -> {} // as the model has it
      default ->
          throw RequestProblem.field(
              "thinking", "a type of enabled, disabled or adaptive", thinking.toString());
    }
  }

  private static void format(JsonNode asked, ObjectNode chat) {
    JsonNode format =
        asked.hasNonNull("output_format")
            ? asked.get("output_format")
            : asked.path("output_config").path("format");
    if (format.isMissingNode() || format.isNull()) {
      return;
    }
    if (!format.path("type").asText().equals("json_schema")) {
      throw RequestProblem.field("output_config", "a format of type json_schema", "" + format);
    }
    ObjectNode schema = chat.putObject("response_format").put("type", "json_schema");
    schema.putObject("json_schema").put("name", "answer").set("schema", format.path("schema"));
  }
}
