package dev.yuzui.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** JSON as Python's {@code json.dumps} writes it, which is how models were shown it. */
public final class Json {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private static final ObjectReader STRICT =
      MAPPER.reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private Json() {}

  static Object read(String json) {
    try {
      return MAPPER.readValue(json, Object.class);
    } catch (JsonProcessingException e) {
      throw new TextException("from_json: expected JSON, found " + json, e);
    }
  }

  /** Whether {@code text} is one JSON value and nothing else. */
  static boolean isValue(String text) {
    try {
      return !STRICT.readTree(text).isMissingNode();
    } catch (JsonProcessingException _) {
      return false;
    }
  }

  /**
   * @param options {@code indent}, {@code ensure_ascii} (false unless given), {@code sort_keys}
   */
  static String write(Object value, Map<String, Object> options) {
    int indent = options.get("indent") instanceof Number n ? n.intValue() : -1;
    StringBuilder out = new StringBuilder();
    write(
        value,
        indent,
        0,
        Boolean.TRUE.equals(options.get("ensure_ascii")),
        Boolean.TRUE.equals(options.get("sort_keys")),
        out);
    return out.toString();
  }

  private static void write(
      Object value, int indent, int depth, boolean ascii, boolean sort, StringBuilder out) {
    switch (value) {
      case Map<?, ?> map -> {
        out.append('{');
        String separator = "";
        for (var entry : (sort ? new TreeMap<>(map) : map).entrySet()) {
          out.append(separator);
          newline(indent, depth + 1, out);
          quote(String.valueOf(entry.getKey()), ascii, out);
          out.append(": ");
          write(entry.getValue(), indent, depth + 1, ascii, sort, out);
          separator = indent < 0 ? ", " : ",";
        }
        if (!map.isEmpty()) {
          newline(indent, depth, out);
        }
        out.append('}');
      }
      case List<?> list -> {
        out.append('[');
        String separator = "";
        for (Object element : list) {
          out.append(separator);
          newline(indent, depth + 1, out);
          write(element, indent, depth + 1, ascii, sort, out);
          separator = indent < 0 ? ", " : ",";
        }
        if (!list.isEmpty()) {
          newline(indent, depth, out);
        }
        out.append(']');
      }
      case String text -> quote(text, ascii, out);
      case PythonValue nothing when nothing == PythonValue.UNDEFINED ->
          throw new TextException("tojson: a value that is not defined is no JSON");
      case null -> out.append("null");
      case PythonValue _ -> out.append("null");
      default -> out.append(value);
    }
  }

  private static void newline(int indent, int depth, StringBuilder out) {
    if (indent >= 0) {
      out.append('\n').repeat(' ', indent * depth);
    }
  }

  private static void quote(String text, boolean ascii, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < ' ' || (ascii && c > '~')) {
            out.append(String.format("\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  /** As Python prints a value: {@code True}, {@code None}, {@code ['a', 1]}, a text as it is. */
  static String print(Object value) {
    return value instanceof String text ? text : repr(value);
  }

  private static String repr(Object value) {
    return switch (value) {
      case null -> "";
      case PythonValue nothing -> nothing == PythonValue.NONE ? "None" : "";
      case Boolean b -> b ? "True" : "False";
      case String text -> text.contains("'") ? '"' + text + '"' : "'" + text + "'";
      case Map<?, ?> map ->
          map.entrySet().stream()
              .map(e -> repr(e.getKey()) + ": " + repr(e.getValue()))
              .collect(Collectors.joining(", ", "{", "}"));
      case List<?> list ->
          list.stream().map(Json::repr).collect(Collectors.joining(", ", "[", "]"));
      default -> value.toString();
    };
  }
}
