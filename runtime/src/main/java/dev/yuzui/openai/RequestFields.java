package dev.yuzui.openai;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import dev.yuzui.io.Utf8;
import dev.yuzui.io.Utf8.NotUtf8Exception;
import dev.yuzui.openai.RequestProblem.Code;
import dev.yuzui.sampling.SamplingParams;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/**
 * A JSON object whose fields are asked for by name and type; {@code null} counts as absent, as the
 * OpenAI interface has it. Complaints are {@link RequestProblem}s.
 */
public record RequestFields(JsonNode object) {
  /** Of a file that has one to a line. */
  public static RequestFields parse(byte[] line) {
    return parse(line, "a JSON object on one line", at -> " at column " + at.getColumnNr());
  }

  /** Of a request's body. */
  public static RequestFields parseBody(byte[] body) {
    return parse(
        body, "a JSON object", at -> " at line " + at.getLineNr() + ", column " + at.getColumnNr());
  }

  private static RequestFields parse(
      byte[] bytes, String expected, Function<JsonLocation, String> where) {
    try {
      String text = Utf8.text(bytes, 0, bytes.length, 0);
      JsonNode node = Json.STRICT.readTree(text);
      if (!node.isObject()) {
        throw RequestProblem.of(
            Code.INVALID_JSON_LINE, "expected a JSON object, found " + Texts.shorten(text));
      }
      requireText(node);
      return new RequestFields(node);
    } catch (NotUtf8Exception e) {
      throw RequestProblem.of(Code.INVALID_JSON_LINE, e.getMessage());
    } catch (JsonProcessingException e) {
      throw RequestProblem.of(
          Code.INVALID_JSON_LINE,
          "expected "
              + expected
              + ", found "
              + what(e)
              + Optional.ofNullable(e.getLocation()).map(where).orElse(""));
    }
  }

  /** What was found, without what its author would have a programmer do. */
  private static String what(JsonProcessingException e) {
    return e instanceof MismatchedInputException
        ? "another value behind it"
        : e.getOriginalMessage().split(": ", 2)[0];
  }

  /** In names of fields too, which may come to be a tool's parameters. */
  private static void requireText(JsonNode node) {
    if (node.isTextual()) {
      requireText(node.textValue());
    }
    node.fieldNames().forEachRemaining(RequestFields::requireText);
    node.forEach(RequestFields::requireText);
  }

  /** Half of a surrogate pair, which JSON can escape, has no UTF-8 and no token. */
  private static void requireText(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean pair =
          Character.isHighSurrogate(c)
              && i + 1 < text.length()
              && Character.isLowSurrogate(text.charAt(i + 1));
      if (pair) {
        i++;
      } else if (Character.isSurrogate(c)) {
        throw RequestProblem.of(
            Code.INVALID_JSON_LINE,
            "expected text, found \\u%04x, half of a surrogate pair, without the other half"
                .formatted((int) c));
      }
    }
  }

  public boolean has(String name) {
    return object.hasNonNull(name);
  }

  public Optional<JsonNode> get(String name) {
    return Optional.ofNullable(object.get(name)).filter(node -> !node.isNull());
  }

  public Optional<String> text(String name) {
    return get(name)
        .map(
            node -> {
              if (!node.isTextual()) {
                throw RequestProblem.field(name, "a string", node.toString());
              }
              return node.textValue();
            });
  }

  public Optional<Boolean> flag(String name) {
    return get(name)
        .map(
            node -> {
              if (!node.isBoolean()) {
                throw RequestProblem.field(name, "true or false", node.toString());
              }
              return node.booleanValue();
            });
  }

  public Optional<Double> number(String name, double from, double to) {
    return get(name)
        .map(
            node -> {
              double value = node.doubleValue();
              if (!node.isNumber() || !(value >= from && value <= to)) {
                throw RequestProblem.field(
                    name, "a number from " + from + " to " + to, node.toString());
              }
              return value;
            });
  }

  public Optional<Integer> integer(String name, int from, int to) {
    return get(name)
        .map(
            node -> {
              if (!node.canConvertToExactIntegral()
                  || !node.canConvertToInt()
                  || node.intValue() < from
                  || node.intValue() > to) {
                throw RequestProblem.field(
                    name, "a whole number from " + from + " to " + to, node.toString());
              }
              return node.intValue();
            });
  }

  /** As {@code --seed} has it: −1 is a random one, and there is nothing below. */
  Optional<Long> seed(String name) {
    return get(name)
        .map(
            node -> {
              if (!node.canConvertToExactIntegral()
                  || !node.canConvertToLong()
                  || node.longValue() < SamplingParams.RANDOM_SEED) {
                throw RequestProblem.field(
                    name, "a whole number, 0 or more, or -1 for a random seed", node.toString());
              }
              return node.longValue();
            });
  }

  /** A string, or an array of them. */
  public Optional<List<String>> texts(String name) {
    return get(name)
        .map(
            node -> {
              List<String> texts = new ArrayList<>();
              for (JsonNode each : node.isArray() ? node : List.of(node)) {
                if (!each.isTextual() || each.textValue().isEmpty()) {
                  throw RequestProblem.field(
                      name, "a text, or an array of texts, none of them empty", node.toString());
                }
                texts.add(each.textValue());
              }
              return texts;
            });
  }

  /** {@code {"token id": bias}}; −100 forbids a token, as its documentation says. */
  Optional<Map<Integer, Float>> logitBias(String name, int vocabulary) {
    return get(name)
        .map(
            node -> {
              Map<Integer, Float> bias = new HashMap<>();
              node.forEachEntry(
                  (id, value) -> {
                    int token = id.matches("\\d{1,9}") ? Integer.parseInt(id) : vocabulary;
                    if (token >= vocabulary || !value.isNumber()) {
                      throw RequestProblem.field(
                          name,
                          "{\"token id\": number} with ids below " + vocabulary,
                          "\"" + id + "\": " + value);
                    }
                    float number = value.floatValue();
                    bias.put(token, number <= -100 ? Float.NEGATIVE_INFINITY : number);
                  });
              if (!node.isObject()) {
                throw RequestProblem.field(name, "an object", node.toString());
              }
              return bias;
            });
  }

  public Optional<Map<String, Object>> map(String name) {
    return get(name)
        .map(
            node -> {
              if (!node.isObject()) {
                throw RequestProblem.field(name, "an object", node.toString());
              }
              return Json.fields(node);
            });
  }

  /** Refuses what would change the answer and cannot be done; {@code unless} the value is inert. */
  public void refuse(String name, String why, Set<String> unless) {
    get(name)
        .filter(node -> !unless.contains(node.toString()))
        .ifPresent(
            node -> {
              throw RequestProblem.field(name, why, node.toString());
            });
  }

  /** Refuses names that are in none of the sets: a misspelt limit should not go unseen. */
  public void requireKnown(List<Set<String>> known) {
    object
        .fieldNames()
        .forEachRemaining(
            name -> {
              if (known.stream().noneMatch(set -> set.contains(name))) {
                throw RequestProblem.field(
                    name, "a field of this request", "one that is not known; leave it out");
              }
            });
  }
}
