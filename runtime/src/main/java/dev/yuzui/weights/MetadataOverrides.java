package dev.yuzui.weights;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Metadata of a GGUF that is to be read otherwise than the file has it, as llama.cpp's {@code
 * --override-kv} does. A key that the file lacks is added.
 *
 * @param values a Long, Double, Boolean or String by key
 */
public record MetadataOverrides(Map<String, Object> values) {
  public static final MetadataOverrides NONE = new MetadataOverrides(Map.of());

  private static final String TYPES = "int|float|bool|str";
  private static final Pattern ONE =
      Pattern.compile("([^=,]+)=(" + TYPES + "):(.*)", Pattern.DOTALL);

  /** A comma that another key follows; one in a text is a letter of it. */
  private static final Pattern BETWEEN = Pattern.compile(",(?=[^=,]+=(?:" + TYPES + "):)");

  public MetadataOverrides {
    values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    values.forEach((key, value) -> kind(key, value));
  }

  /**
   * @param texts {@code KEY=TYPE:VALUE}, or several with commas between them; TYPE is int, float,
   *     bool or str
   * @throws IllegalArgumentException if one of them is something else
   */
  public static MetadataOverrides parse(List<String> texts) {
    Map<String, Object> values = new LinkedHashMap<>();
    for (String text : texts) {
      for (String one : BETWEEN.split(text)) {
        Matcher matcher = ONE.matcher(one);
        if (!matcher.matches()) {
          throw new IllegalArgumentException(
              "expected KEY=TYPE:VALUE, TYPE one of int, float, bool and str, found '" + one + "'");
        }
        values.put(matcher.group(1), value(one, matcher.group(2), matcher.group(3)));
      }
    }
    return new MetadataOverrides(values);
  }

  private static Object value(String one, String type, String text) {
    try {
      return switch (type) {
        case "int" -> Long.parseLong(text);
        case "float" -> Double.parseDouble(text);
        case "bool" ->
            switch (text) {
              case "true" -> true;
              case "false" -> false;
              default -> throw new NumberFormatException();
            };
        default -> text;
      };
    } catch (NumberFormatException _) {
      String expected =
          switch (type) {
            case "int" -> "a whole number";
            case "float" -> "a number";
            default -> "true or false";
          };
      throw new IllegalArgumentException(
          "expected " + expected + " after " + type + ":, found '" + one + "'");
    }
  }

  private static String kind(String key, Object value) {
    return switch (value) {
      case Long _ -> "int";
      case Double _ -> "float";
      case Boolean _ -> "bool";
      case String _ -> "str";
      case GgufArray _ -> "an array";
      default ->
          throw new IllegalArgumentException(
              key + ": expected a Long, Double, Boolean or String, found " + value.getClass());
    };
  }

  boolean isEmpty() {
    return values.isEmpty();
  }

  /**
   * The metadata with these in it.
   *
   * @param log told what the file had
   * @throws WeightException if the file has a key with another type
   */
  Map<String, Object> applied(Path file, Map<String, Object> metadata, Consumer<String> log) {
    if (isEmpty()) {
      return metadata;
    }
    Map<String, Object> all = new LinkedHashMap<>(metadata);
    values.forEach(
        (key, value) -> {
          Object before = all.put(key, value);
          String kind = kind(key, value);
          if (before != null && !kind(key, before).equals(kind)) {
            throw new WeightException(
                file,
                key + " as it is overridden",
                kind(key, before) + ", which the file has",
                kind,
                before instanceof GgufArray
                    ? "arrays cannot be overridden; convert the model again"
                    : "write " + key + "=" + kind(key, before) + ":VALUE");
          }
          log.accept(
              "metadata "
                  + key
                  + ": "
                  + value
                  + (before == null ? ", which the file lacks" : " instead of " + before));
        });
    return Collections.unmodifiableMap(all);
  }
}
