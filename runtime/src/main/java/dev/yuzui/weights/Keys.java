package dev.yuzui.weights;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Typed reading of configuration keys, the same for GGUF metadata and config.json. A key that is
 * present but null counts as absent. Every refusal names the file and the key.
 *
 * @param prefix of every key in {@code values}
 */
record Keys(Path file, String prefix, Map<String, Object> values) {

  boolean has(String key) {
    return values.get(prefix + key) != null;
  }

  int integer(String key, int min, int max) {
    return checked(key, require(key, "a whole number"), min, max);
  }

  int integerOr(String key, int min, int max, int absent) {
    return has(key) ? integer(key, min, max) : absent;
  }

  /** A finite number within [min, max]. */
  double number(String key, double min, double max) {
    return number(key, require(key, "a number"), min, max);
  }

  private double number(String key, Object value, double min, double max) {
    if (value instanceof Number n
        && n.doubleValue() >= min
        && n.doubleValue() <= max
        && Double.isFinite(n.doubleValue())) {
      return n.doubleValue();
    }
    throw wrong(key, "a number from " + min + " to " + max, value);
  }

  double numberOr(String key, double min, double max, double absent) {
    return has(key) ? number(key, min, max) : absent;
  }

  boolean flagOr(String key, boolean absent) {
    if (!has(key)) {
      return absent;
    }
    Object value = values.get(prefix + key);
    if (value instanceof Boolean b) {
      return b;
    }
    throw wrong(key, "true or false", value);
  }

  Optional<String> text(String key) {
    if (!has(key)) {
      return Optional.empty();
    }
    Object value = values.get(prefix + key);
    if (value instanceof String s) {
      return Optional.of(s);
    }
    throw wrong(key, "a text", value);
  }

  /** A list of whole numbers, or one number; empty if absent. */
  List<Integer> integers(String key, int min, int max) {
    return each(key).stream().map(value -> checked(key, value, min, max)).toList();
  }

  /** A list of finite numbers within [min, max], or one number; empty if absent. */
  List<Double> numbers(String key, double min, double max) {
    return each(key).stream().map(value -> number(key, value, min, max)).toList();
  }

  private List<Object> each(String key) {
    if (!has(key)) {
      return List.of();
    }
    List<Object> out = new ArrayList<>();
    switch (values.get(prefix + key)) {
      case List<?> list -> list.forEach(value -> out.add(value == null ? "null" : value));
      case GgufArray array -> {
        if (array.count() > ConfigLimits.LAYERS) {
          throw wrong(key, "at most " + ConfigLimits.LAYERS + " values", array);
        }
        out.addAll(array.first(array.count()));
      }
      case Object value -> out.add(value);
    }
    return out;
  }

  /** A list of texts; empty if absent. */
  List<String> texts(String key) {
    if (!has(key)) {
      return List.of();
    }
    if (values.get(prefix + key) instanceof List<?> list
        && list.stream().allMatch(String.class::isInstance)) {
      return list.stream().map(String.class::cast).toList();
    }
    throw wrong(key, "a list of texts", values.get(prefix + key));
  }

  /** A GGUF's array of flags; empty if absent. */
  List<Boolean> flags(String key) {
    if (!has(key)) {
      return List.of();
    }
    if (values.get(prefix + key) instanceof GgufArray array
        && array.count() <= ConfigLimits.LAYERS
        && array.first(array.count()).stream().allMatch(Boolean.class::isInstance)) {
      return array.first(array.count()).stream().map(Boolean.class::cast).toList();
    }
    throw wrong(key, "an array of true and false", values.get(prefix + key));
  }

  /** The object under {@code key}, as keys of their own. */
  Optional<Keys> nested(String key) {
    if (!has(key)) {
      return Optional.empty();
    }
    Object value = values.get(prefix + key);
    if (value instanceof Map<?, ?> map) {
      Map<String, Object> inner = new HashMap<>();
      map.forEach((k, v) -> inner.put(key + "." + k, v));
      return Optional.of(new Keys(file, key + ".", inner));
    }
    throw wrong(key, "an object", value);
  }

  /** What the file says under {@code key}, for messages. */
  String shown(String key) {
    return has(key) ? String.valueOf(values.get(prefix + key)) : "nothing";
  }

  WeightException refused(String key, String expected, String found, String fix) {
    return new WeightException(file, prefix + key, expected, found, fix);
  }

  private int checked(String key, Object value, int min, int max) {
    if (value instanceof Integer || value instanceof Long) {
      long n = ((Number) value).longValue();
      if (n >= min && n <= max) {
        return (int) n;
      }
    }
    throw wrong(key, "a whole number from " + min + " to " + max, value);
  }

  private Object require(String key, String kind) {
    if (!has(key)) {
      throw wrong(key, kind, "no such key");
    }
    return values.get(prefix + key);
  }

  private WeightException wrong(String key, String expected, Object found) {
    return refused(
        key,
        expected,
        String.valueOf(found),
        "check that the file is whole and belongs to a supported model");
  }
}
