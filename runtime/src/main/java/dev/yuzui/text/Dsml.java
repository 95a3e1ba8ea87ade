package dev.yuzui.text;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** The markup in which DeepSeek-V3.2 and V4 are told of tools and call them. */
final class Dsml {
  static final String NAME = "｜DSML｜";

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

  /**
   * The calls of a turn, behind an empty line; nothing where there are none.
   *
   * @param block what encloses them
   * @param empty stands in a call without arguments
   */
  static String calls(Message m, String block, String empty) {
    List<?> calls = m.more().get("tool_calls") instanceof List<?> list ? list : List.of();
    if (calls.isEmpty()) {
      return "";
    }
    StringBuilder out = new StringBuilder("\n\n<" + NAME + block + ">\n");
    for (Object call : calls) {
      Map<?, ?> function = function(call);
      Map<?, ?> arguments = arguments(function.get("arguments"));
      out.append("<" + NAME + "invoke name=\"").append(function.get("name")).append("\">\n");
      arguments.forEach((name, value) -> out.append(parameter(name, value)));
      out.append(arguments.isEmpty() ? empty : "").append("</" + NAME + "invoke>\n");
    }
    return out.append("</" + NAME + block + ">").toString();
  }

  private static String parameter(Object name, Object value) {
    boolean text = value instanceof String;
    return "<%sparameter name=\"%s\" string=\"%s\">%s</%sparameter>\n"
        .formatted(NAME, name, text, text ? value : Json.write(value, Map.of()), NAME);
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
