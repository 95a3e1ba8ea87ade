package dev.yuzui.text;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * How a template wants to be told of tool calls, for publishers differ: V3.1 joins the arguments to
 * its text, so they must be a JSON string, GLM goes through them, so they must be a mapping; V3
 * looks for calls only where the content is null, GLM writes a null as "None". Found by rendering a
 * call in each way and looking for its parts.
 */
record ToolCallForm(Content content, Arguments arguments) {
  /** Of a turn that calls tools and says nothing. */
  enum Content {
    AS_GIVEN,
    NULL,
    EMPTY
  }

  /** Of the called function. */
  enum Arguments {
    AS_GIVEN,
    STRING,
    MAPPING
  }

  static final ToolCallForm AS_GIVEN = new ToolCallForm(Content.AS_GIVEN, Arguments.AS_GIVEN);

  private static final String TOOL = "probe_tool";
  private static final Map<String, Object> MAPPING = Map.of("probe_key", "probe_value");
  private static final String STRING = Json.write(MAPPING, Map.of());

  /**
   * @param render may throw {@link TextException}
   */
  static ToolCallForm of(Function<List<Message>, String> render) {
    boolean nullString = shows(render, Optional.empty(), STRING);
    boolean nullMapping = shows(render, Optional.empty(), MAPPING);
    boolean emptyString = shows(render, Optional.of(""), STRING);
    boolean emptyMapping = shows(render, Optional.of(""), MAPPING);
    boolean whereNull = nullString || nullMapping;
    boolean whereEmpty = emptyString || emptyMapping;
    boolean string = nullString || emptyString;
    boolean mapping = nullMapping || emptyMapping;
    return new ToolCallForm(
        whereNull == whereEmpty ? Content.AS_GIVEN : whereNull ? Content.NULL : Content.EMPTY,
        string == mapping ? Arguments.AS_GIVEN : string ? Arguments.STRING : Arguments.MAPPING);
  }

  private static boolean shows(
      Function<List<Message>, String> render, Optional<String> content, Object arguments) {
    Map<String, Object> call =
        Map.of(
            "id",
            "functions." + TOOL + ":0",
            "type",
            "function",
            "function",
            Map.of("name", TOOL, "arguments", arguments));
    Message answer = new Message("assistant", content, Map.of("tool_calls", List.of(call)));
    Map<String, Object> reply = Map.of("tool_call_id", "functions." + TOOL + ":0", "name", TOOL);
    String rendered;
    try {
      rendered =
          render.apply(
              List.of(Message.user("?"), answer, new Message("tool", Optional.of("42"), reply)));
    } catch (TextException _) {
      return false;
    }
    return rendered.contains(TOOL)
        && rendered.contains("probe_key")
        && rendered.contains("probe_value")
        && !rendered.contains("\\\"probe_key") // a string made a string once more
        && !rendered.contains("'probe_key") // Python's way to print a mapping
        && !rendered.contains("None");
  }

  /**
   * The message as a template expects it: without fields that are null and without an empty list of
   * calls, as clients send them; with a content, unless it calls tools; with its calls in this
   * form.
   */
  Message applied(Message message) {
    Map<String, Object> more = new HashMap<>(message.more());
    more.values().removeIf(value -> value == null);
    if (!(more.get("tool_calls") instanceof List<?> calls) || calls.isEmpty()) {
      more.remove("tool_calls");
      return new Message(message.role(), message.content().or(() -> Optional.of("")), more);
    }
    List<Object> formed = new ArrayList<>();
    calls.forEach(call -> formed.add(call instanceof Map<?, ?> map ? call(map) : call));
    more.put("tool_calls", formed);
    Optional<String> said = message.content().filter(text -> !text.isEmpty());
    return new Message(
        message.role(),
        switch (content) {
          case AS_GIVEN -> message.content();
          case NULL -> said;
          case EMPTY -> said.or(() -> Optional.of(""));
        },
        more);
  }

  private Map<String, Object> call(Map<?, ?> given) {
    Map<String, Object> call = new LinkedHashMap<>();
    given.forEach((key, value) -> call.put(String.valueOf(key), value));
    call.putIfAbsent("type", "function");
    call.computeIfPresent(
        "function", (_, function) -> function instanceof Map<?, ?> map ? function(map) : function);
    return call;
  }

  private Map<String, Object> function(Map<?, ?> given) {
    Map<String, Object> function = new LinkedHashMap<>();
    given.forEach((key, value) -> function.put(String.valueOf(key), value));
    function.computeIfPresent("arguments", (_, value) -> arguments(given.get("name"), value));
    return function;
  }

  private Object arguments(Object name, Object given) {
    return switch (arguments) {
      case AS_GIVEN -> given;
      case STRING -> given instanceof String ? given : Json.write(given, Map.of());
      case MAPPING -> given instanceof String text ? mapping(name, text) : given;
    };
  }

  private static Object mapping(Object name, String text) {
    if (text.isBlank()) {
      return Map.of(); // some clients write no arguments so
    }
    try {
      if (Json.read(text) instanceof Map<?, ?> map) {
        return map;
      }
    } catch (TextException _) {
      // said below
    }
    throw new TextException(
        "messages: arguments of the call of "
            + name
            + ": this template expects a JSON object, found "
            + text);
  }
}
