package dev.yuzui.openai;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Json;
import dev.yuzui.text.Message;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The conversation that a request goes on with. */
final class RequestMessages {
  private static final Set<String> ROLES = Set.of("system", "user", "assistant", "tool");

  private RequestMessages() {}

  static List<Message> of(RequestFields body) {
    JsonNode array =
        body.get("messages")
            .filter(node -> node.isArray() && !node.isEmpty())
            .orElseThrow(
                () ->
                    RequestProblem.field(
                        "messages", "an array of {\"role\", \"content\"}", "none in it"));
    List<Message> messages = new ArrayList<>();
    array.forEach(node -> messages.add(message(node)));
    return messages;
  }

  private static Message message(JsonNode node) {
    String role = node.path("role").asText().replace("developer", "system");
    if (!ROLES.contains(role)) {
      throw RequestProblem.field(
          "messages",
          "a role of system, developer, user, assistant or tool",
          node.path("role").toString());
    }
    Map<String, Object> more = Json.fields(node);
    more.keySet().removeAll(Set.of("role", "content"));
    Optional<String> content = content(node.path("content"));
    boolean called = node.hasNonNull("tool_calls");
    if (content.isEmpty() && !called && !role.equals("assistant")) {
      throw RequestProblem.field("messages", "a content", node.toString());
    }
    // an assistant that said nothing; clients send back what they got
    return new Message(role, called ? content : Optional.of(content.orElse("")), more);
  }

  /** A text, or parts that are texts. */
  private static Optional<String> content(JsonNode node) {
    if (node.isMissingNode() || node.isNull()) {
      return Optional.empty();
    }
    if (node.isTextual()) {
      return Optional.of(node.textValue());
    }
    StringBuilder text = new StringBuilder();
    for (JsonNode part : node.isArray() ? node : List.of(node)) {
      if (!part.path("type").asText().equals("text") || !part.path("text").isTextual()) {
        throw RequestProblem.field(
            "messages", "content of texts, for this model sees nothing else", part.toString());
      }
      text.append(part.path("text").textValue());
    }
    return Optional.of(text.toString());
  }
}
