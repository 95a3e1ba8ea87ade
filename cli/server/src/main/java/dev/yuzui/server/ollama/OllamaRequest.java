package dev.yuzui.server.ollama;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.io.Json;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.server.answer.Translation;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** ollama's requests as the OpenAI ones that ask the same. */
final class OllamaRequest {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private static final Set<String> CHAT =
      Set.of(
          "model",
          "messages",
          "tools",
          "format",
          "options",
          "stream",
          "think",
          "keep_alive",
          "truncate",
          "shift");
  private static final Set<String> GENERATE =
      Set.of(
          "model",
          "prompt",
          "system",
          "raw",
          "format",
          "options",
          "stream",
          "think",
          "keep_alive",
          "images",
          "context",
          "suffix",
          "template",
          "truncate",
          "shift");

  /** Options under the names that OpenAI's requests and vLLM's have for them. */
  private static final Map<String, String> OPTIONS =
      Map.of(
          "temperature", "temperature",
          "top_p", "top_p",
          "top_k", "top_k",
          "min_p", "min_p",
          "seed", "seed",
          "stop", "stop",
          "repeat_penalty", "repetition_penalty",
          "presence_penalty", "presence_penalty",
          "frequency_penalty", "frequency_penalty");

  /** What it calls the chat's fields. */
  static Map<String, String> names(boolean chat) {
    Map<String, String> names = new HashMap<>();
    OPTIONS.forEach((own, other) -> names.put(other, "options." + own));
    names.put("max_tokens", "options.num_predict");
    names.put("response_format", "format");
    names.put("reasoning_effort", "think");
    names.put("thinking", "think");
    if (!chat) {
      names.put("messages", "prompt");
    }
    return names;
  }

  /** How a model is run, which this server's flags say. */
  private static final Set<String> OF_SERVER =
      Set.of(
          "num_ctx",
          "num_keep",
          "num_batch",
          "num_gpu",
          "main_gpu",
          "num_thread",
          "use_mmap",
          "use_mlock",
          "numa",
          "low_vram",
          "vocab_only",
          "penalize_newline",
          "repeat_last_n");

  private OllamaRequest() {}

  /**
   * @throws RequestProblem if it asks for what there is not
   */
  static RequestFields chat(JsonNode asked) {
    new RequestFields(asked).requireKnown(List.of(CHAT));
    ObjectNode chat = common(asked);
    Translation.copy(asked, "tools", chat, "tools");
    ArrayNode messages = chat.putArray("messages");
    Deque<String> calls = new ArrayDeque<>();
    int[] count = {0};
    for (JsonNode message : asked.path("messages")) {
      messages.add(message(message, calls, count));
    }
    return new RequestFields(chat);
  }

  private static ObjectNode message(JsonNode message, Deque<String> open, int[] count) {
    refuse(message, "images", "messages");
    ObjectNode out = JSON.objectNode();
    Translation.copy(message, "role", out, "role");
    Translation.copy(message, "content", out, "content");
    Translation.copy(message, "thinking", out, "reasoning_content");
    if (message.path("role").asText().equals("tool")) {
      // ollama's calls have no names: results come in their order
      out.put("tool_call_id", open.isEmpty() ? "call_0" : open.poll());
      Translation.copy(message, "tool_name", out, "name");
    }
    if (message.path("tool_calls").isArray() && !message.path("tool_calls").isEmpty()) {
      ArrayNode calls = out.putArray("tool_calls");
      for (JsonNode call : message.path("tool_calls")) {
        String id = "call_" + count[0]++;
        open.add(id);
        JsonNode arguments = call.path("function").path("arguments");
        calls
            .addObject()
            .put("id", id)
            .put("type", "function")
            .putObject("function")
            .put("name", call.path("function").path("name").asText())
            .put("arguments", arguments.isTextual() ? arguments.asText() : Json.compact(arguments));
      }
    }
    return out;
  }

  /**
   * A prompt as a user's message.
   *
   * @throws RequestProblem if it asks for what there is not
   */
  static RequestFields generate(JsonNode asked) {
    requireGenerate(asked);
    ObjectNode chat = common(asked);
    ArrayNode messages = chat.putArray("messages");
    if (asked.hasNonNull("system")) {
      messages.addObject().put("role", "system").set("content", asked.get("system"));
    }
    messages.addObject().put("role", "user").set("content", asked.path("prompt"));
    return new RequestFields(chat);
  }

  /**
   * A prompt as it is.
   *
   * @throws RequestProblem if it asks for what there is not
   */
  static RequestFields raw(JsonNode asked) {
    requireGenerate(asked);
    ObjectNode completion = common(asked);
    completion.remove(List.of("thinking", "reasoning_effort")); // a template's matter
    completion.set("prompt", asked.path("prompt"));
    return new RequestFields(completion);
  }

  private static void requireGenerate(JsonNode asked) {
    new RequestFields(asked).requireKnown(List.of(GENERATE));
    for (String name : Set.of("images", "context", "suffix", "template")) {
      refuse(asked, name, name);
    }
  }

  private static void refuse(JsonNode asked, String name, String field) {
    JsonNode node = asked.path(name);
    if (!none(node) && !(node.isContainerNode() && node.isEmpty())) {
      throw RequestProblem.field(
          field, "no " + name + ", which this server has no use for", "some");
    }
  }

  /** An empty text is what its own clients send for nothing. */
  private static boolean none(JsonNode node) {
    return node.isMissingNode() || node.isNull() || node.isTextual() && node.textValue().isEmpty();
  }

  private static ObjectNode common(JsonNode asked) {
    ObjectNode out = JSON.objectNode();
    Translation.copy(asked, "model", out, "model");
    new RequestFields(asked).map("options"); // an object, if any
    asked.path("options").properties().forEach(option -> option(option, out));
    JsonNode think = asked.path("think");
    if (think.isBoolean()) {
      out.putObject("thinking").put("type", think.booleanValue() ? "enabled" : "disabled");
    } else if (think.isTextual()) {
      out.set("reasoning_effort", think);
    } else if (!none(think)) {
      throw RequestProblem.field("think", "true, false or how much", think.toString());
    }
    JsonNode format = asked.path("format");
    if (format.isObject()) {
      out.putObject("response_format")
          .put("type", "json_schema")
          .putObject("json_schema")
          .put("name", "answer")
          .set("schema", format);
    } else if (format.isTextual() && format.textValue().equals("json")) {
      out.putObject("response_format").put("type", "json_object");
    } else if (!none(format)) {
      throw RequestProblem.field("format", "\"json\" or a schema", format.toString());
    }
    return out;
  }

  private static void option(Map.Entry<String, JsonNode> option, ObjectNode out) {
    String name = option.getKey();
    if (OPTIONS.containsKey(name)) {
      out.set(OPTIONS.get(name), option.getValue());
    } else if (name.equals("num_predict")) {
      JsonNode count = option.getValue();
      boolean unlimited = count.isInt() && count.intValue() <= 0; // −1 and −2 are, as it has them
      if (!unlimited) {
        out.set("max_tokens", count);
      }
    } else if (!OF_SERVER.contains(name)) {
      throw RequestProblem.field(
          "options." + name, "an option that this server has", "another; leave it out");
    }
  }
}
