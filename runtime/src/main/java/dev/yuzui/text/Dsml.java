package dev.yuzui.text;

import dev.yuzui.text.ToolSyntax.Invocations;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** The markup in which DeepSeek-V3.2 and V4 are told of tools and call them. */
final class Dsml {
  private Dsml() {}

  /** Schemas of the functions among {@code tools}, a line each. */
  static String schemas(Object tools) {
    if (!(tools instanceof List<?> list)) {
      throw new TextException("tools: expected a list, found " + tools);
    }
    return list.stream()
        .map(Dsml::function)
        .map(function -> Json.write(function, Map.of()))
        .collect(Collectors.joining("\n"));
  }

  /** The calls of a turn, behind an empty line; nothing where there are none. */
  static String calls(Message m, Invocations syntax) {
    List<?> calls = m.more().get("tool_calls") instanceof List<?> list ? list : List.of();
    if (calls.isEmpty()) {
      return "";
    }
    StringBuilder out = new StringBuilder("\n\n" + syntax.begin() + "\n");
    for (Object call : calls) {
      Map<?, ?> function = function(call);
      Map<?, ?> arguments = arguments(function.get("arguments"));
      out.append(Invocations.INVOKE)
          .append(function.get("name"))
          .append(Invocations.END_TAG + "\n");
      arguments.forEach((name, value) -> out.append(parameter(name, value)));
      out.append(arguments.isEmpty() ? syntax.empty() : "").append(Invocations.END_INVOKE + "\n");
    }
    return out.append(syntax.end()).toString();
  }

  private static String parameter(Object name, Object value) {
    boolean text = value instanceof String;
    return Invocations.PARAMETER
        + name
        + Invocations.IS_TEXT
        + text
        + Invocations.END_TAG
        + (text ? value : Json.write(value, Map.of()))
        + Invocations.END_PARAMETER
        + "\n";
  }

  private static Map<?, ?> function(Object call) {
    if (call instanceof Map<?, ?> map && map.get("function") instanceof Map<?, ?> function) {
      return function;
    }
    throw new TextException("expected tools and tool_calls of functions, found " + call);
  }

  private static Map<?, ?> arguments(Object given) {
    Object read = given instanceof String text && !text.isBlank() ? Json.read(text) : given;
    if (read instanceof Map<?, ?> map) {
      return map;
    }
    if (read == null || read instanceof String) {
      return Map.of(); // a call without any, as some clients write it
    }
    throw new TextException("expected a call's arguments as an object, found " + given);
  }
}
