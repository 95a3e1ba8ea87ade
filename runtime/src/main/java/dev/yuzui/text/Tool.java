package dev.yuzui.text;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A function that a model may call.
 *
 * @param declaration as it was given: {@code {"type": "function", "function": {"name", …}}}
 * @param where it stood, for messages
 */
public record Tool(String name, Map<String, Object> declaration, String where) {
  /** The OpenAI interface's rule, with room for what agents call theirs. */
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_.:-]{1,128}");

  /**
   * Those of a list as the OpenAI interface has it; a function may also stand by itself.
   *
   * @param given JSON values
   * @throws TextException if one is no function, or two have the same name
   */
  public static List<Tool> all(List<?> given) {
    List<Tool> tools = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (int i = 0; i < given.size(); i++) {
      Tool tool = of(given.get(i), "tools[" + i + "]");
      if (!names.add(tool.name())) {
        throw new TextException(
            tool.where() + ": expected a name of its own, found '" + tool.name() + "' again");
      }
      tools.add(tool);
    }
    return List.copyOf(tools);
  }

  private static Tool of(Object given, String where) {
    if (!(given instanceof Map<?, ?> map)) {
      throw new TextException(where + ": expected an object, found " + Json.write(given, Map.of()));
    }
    boolean bare = map.get("type") == null && map.get("function") == null;
    if (!bare && !"function".equals(map.get("type"))) {
      throw new TextException(
          where + ".type: expected \"function\", found " + Json.write(map.get("type"), Map.of()));
    }
    if (!((bare ? map : map.get("function")) instanceof Map<?, ?> function)) {
      throw new TextException(where + ".function: expected an object, found none");
    }
    String at = where + (bare ? "" : ".function");
    if (!(function.get("name") instanceof String name) || !NAME.matcher(name).matches()) {
      throw new TextException(
          at
              + ".name: expected letters, digits and _ . : -, at most 128, found "
              + Json.write(function.get("name"), Map.of()));
    }
    Object parameters = function.get("parameters");
    if (parameters != null && !(parameters instanceof Map)) {
      throw new TextException(
          at + ".parameters: expected a JSON schema, found " + Json.write(parameters, Map.of()));
    }
    Object strict = function.get("strict");
    if (strict != null && !(strict instanceof Boolean)) {
      throw new TextException(
          at + ".strict: expected true or false, found " + Json.write(strict, Map.of()));
    }
    return new Tool(name, Map.of("type", "function", "function", function), where);
  }

  /** Name, description, parameters. */
  public Map<?, ?> function() {
    return (Map<?, ?>) declaration.get("function");
  }

  /** The schema of its arguments, which are an object; empty where it says nothing of them. */
  public Optional<Map<?, ?>> parameters() {
    return Optional.ofNullable((Map<?, ?>) function().get("parameters"));
  }

  /** Whether calls need not keep to the schema: only where it says so. */
  public boolean lenient() {
    return Boolean.FALSE.equals(function().get("strict"));
  }

  /** The schema of one argument; empty where there is none. */
  Optional<Map<?, ?>> parameter(String argument) {
    return parameters()
        .map(schema -> schema.get("properties"))
        .filter(Map.class::isInstance)
        .map(properties -> ((Map<?, ?>) properties).get(argument))
        .filter(Map.class::isInstance)
        .map(schema -> (Map<?, ?>) schema);
  }

  /** Whether an argument is a text and nothing else. */
  public static boolean isText(Map<?, ?> schema) {
    Object type = schema.get("type");
    return "string".equals(type)
        || List.of("string").equals(type)
        || (type == null
            && schema.get("enum") instanceof List<?> values
            && !values.isEmpty()
            && values.stream().allMatch(String.class::isInstance));
  }

  /** The schema of an argument that is a text, where it may also be something else. */
  public static Optional<Map<?, ?>> textAmongOthers(Map<?, ?> schema) {
    if (isText(schema)) {
      return Optional.empty();
    }
    if (schema.get("type") instanceof List<?> types && types.contains("string")) {
      Map<Object, Object> text = new LinkedHashMap<>(schema);
      text.put("type", "string");
      return Optional.of(text);
    }
    return branches(schema).stream()
        .filter(branch -> branch instanceof Map<?, ?> map && isText(map))
        .findFirst()
        .map(branch -> (Map<?, ?>) branch);
  }

  private static List<?> branches(Map<?, ?> schema) {
    return schema.get("anyOf") instanceof List<?> any
        ? any
        : schema.get("oneOf") instanceof List<?> one ? one : List.of();
  }

  /** JSON's types that a value may have; empty: any. */
  public static Set<String> types(Map<?, ?> schema) {
    Set<String> types = new HashSet<>();
    if (schema.get("type") instanceof String one) {
      types.add(one);
    } else if (schema.get("type") instanceof List<?> several) {
      several.forEach(type -> types.add(String.valueOf(type)));
    } else if (schema.containsKey("const")) {
      types.add(type(schema.get("const")));
    } else if (schema.get("enum") instanceof List<?> values) {
      values.forEach(value -> types.add(type(value)));
    } else {
      for (Object branch : branches(schema)) {
        Set<String> more = branch instanceof Map<?, ?> map ? types(map) : Set.of();
        if (more.isEmpty()) {
          return Set.of();
        }
        types.addAll(more);
      }
    }
    return types;
  }

  private static String type(Object value) {
    return switch (value) {
      case null -> "null";
      case String _ -> "string";
      case Boolean _ -> "boolean";
      case Integer _, Long _, BigInteger _ -> "integer";
      case Number _ -> "number";
      case List<?> _ -> "array";
      default -> "object";
    };
  }

  /** Whether a value has one of {@code types}. */
  static boolean isOne(Object value, Set<String> types) {
    String type = type(value);
    return types.contains(type) || type.equals("integer") && types.contains("number");
  }
}
