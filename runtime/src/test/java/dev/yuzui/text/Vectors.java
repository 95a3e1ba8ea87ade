package dev.yuzui.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Cases of rendered-vectors.json as Yuzui has them. */
final class Vectors {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Vectors() {}

  static List<Message> messages(JsonNode c) {
    List<Message> messages = new ArrayList<>();
    for (JsonNode m : c.get("messages")) {
      Map<String, Object> more = map(m);
      more.remove("role");
      more.remove("content");
      messages.add(
          new Message(
              m.get("role").asText(),
              Optional.of(m.path("content")).filter(JsonNode::isTextual).map(JsonNode::asText),
              more));
    }
    return messages;
  }

  static RenderOptions options(JsonNode c) {
    Map<String, Object> variables = map(c.get("vars"));
    Optional<Boolean> thinking = Optional.ofNullable((Boolean) variables.remove("thinking"));
    return new RenderOptions(c.get("add_generation_prompt").asBoolean(), thinking, variables);
  }

  @SuppressWarnings("unchecked") // JSON objects have string keys
  private static Map<String, Object> map(JsonNode node) {
    return new HashMap<>(JSON.convertValue(node, Map.class));
  }
}
