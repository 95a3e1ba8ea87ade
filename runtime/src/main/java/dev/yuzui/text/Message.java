package dev.yuzui.text;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One turn of a conversation.
 *
 * @param role {@code system}, {@code user}, {@code assistant} or {@code tool}
 * @param content empty where a turn only calls tools
 * @param more other fields a template may ask for, as JSON values: {@code tool_calls}, {@code
 *     name}, {@code prefix}
 */
public record Message(String role, Optional<String> content, Map<String, Object> more) {
  public static Message of(String role, String content) {
    return new Message(role, Optional.of(content), Map.of());
  }

  public static Message system(String content) {
    return of("system", content);
  }

  public static Message user(String content) {
    return of("user", content);
  }

  public static Message assistant(String content) {
    return of("assistant", content);
  }

  /** A turn that calls tools: {@code {"type": "function", "function": {"name": …}}} each. */
  public static Message calls(List<Map<String, Object>> toolCalls) {
    return new Message("assistant", Optional.empty(), Map.of("tool_calls", toolCalls));
  }

  Map<String, Object> fields() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("role", role);
    fields.put("content", content.orElse(null));
    fields.putAll(more);
    return fields;
  }
}
