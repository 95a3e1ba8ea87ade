package dev.yuzui.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.grammar.Expr.Members;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A JSON value as a schema's grammar writes it: names in the schema's order, one space behind
 * colons and commas, characters as they are where JSON allows that, numbers without exponents.
 */
public final class JsonForm {
  /** Orders of names that are tried in all. */
  private static final int MOST_TRIES = 10_000;

  private final Machine machine;
  private int tries;

  private JsonForm(Machine machine) {
    this.machine = machine;
  }

  /** A text and the state behind it. */
  private record Written(String text, Config behind) {}

  /** The text that the grammar allows; empty if it allows none. */
  public static Optional<String> of(Grammar grammar, String json) {
    JsonForm form = new JsonForm(grammar.machine());
    JsonNode value = SchemaDocument.read(json, "the value");
    Written result = form.write(value, new Written("", grammar.machine().start()));
    return result.behind().accepting ? Optional.of(result.text()) : Optional.empty();
  }

  /** In the form above, with names in the order that they have. */
  public static String plain(String json) {
    StringBuilder out = new StringBuilder();
    plain(SchemaDocument.read(json, "the value"), out);
    return out.toString();
  }

  private static void plain(JsonNode value, StringBuilder out) {
    if (value.isObject()) {
      String separator = "{";
      for (Map.Entry<String, JsonNode> entry : value.properties()) {
        out.append(separator).append(string(entry.getKey())).append(": ");
        plain(entry.getValue(), out);
        separator = ", ";
      }
      out.append(value.isEmpty() ? "{}" : "}");
    } else if (value.isArray()) {
      String separator = "[";
      for (JsonNode item : value) {
        out.append(separator);
        plain(item, out);
        separator = ", ";
      }
      out.append(value.isEmpty() ? "[]" : "]");
    } else {
      out.append(scalars(value).getFirst());
    }
  }

  private static String string(String text) {
    return '"' + new String(Shapes.encoded(text), StandardCharsets.UTF_8) + '"';
  }

  /** The best first. */
  private static List<String> scalars(JsonNode value) {
    if (value.isTextual()) {
      return List.of(string(value.textValue()));
    }
    if (!value.isNumber()) {
      return List.of(value.asText());
    }
    BigDecimal number = value.decimalValue();
    Set<String> texts = new LinkedHashSet<>();
    if (Math.abs((long) number.scale()) <= NumberForms.MOST_DIGITS) {
      texts.add(number.signum() == 0 && number.scale() <= 0 ? "0" : number.toPlainString());
    }
    texts.add(number.toString());
    return List.copyOf(texts);
  }

  private Written write(JsonNode value, Written from) {
    if (value.isObject()) {
      return object(value, from);
    }
    if (value.isArray()) {
      Written at = add(from, "[");
      for (int i = 0; i < value.size() && !at.behind().isDead(); i++) {
        at = write(value.get(i), i == 0 ? at : add(at, ", "));
      }
      return add(at, "]");
    }
    Written result = from;
    for (String text : scalars(value)) {
      result = add(from, text);
      if (!result.behind().isDead()) {
        break;
      }
    }
    return result;
  }

  private Written object(JsonNode value, Written from) {
    Written open = add(from, "{");
    if (value.isEmpty()) {
      return add(open, "}");
    }
    Written result = open;
    for (Members members : members(open.behind())) {
      Written at = open;
      String separator = "";
      for (String name : ordered(value, members)) {
        at = add(at, separator + string(name) + ": ");
        if (at.behind().isDead()) {
          break;
        }
        at = write(value.get(name), at);
        separator = ", ";
      }
      result = add(at, "}");
      if (!result.behind().isDead() || ++tries > MOST_TRIES) {
        return result;
      }
    }
    return new Written("", machine.dead());
  }

  /** The objects that may have been begun. */
  private static Set<Members> members(Config config) {
    Set<Members> result = new LinkedHashSet<>();
    for (Config.Thread thread : config.threads) {
      if (thread.after() != null
          && thread.after().expr instanceof Members members
          && (thread.after().at & 1) == 1) {
        result.add(members);
      }
    }
    return result;
  }

  private static List<String> ordered(JsonNode value, Members members) {
    List<String> listed = members.listed.stream().map(Expr.Member::name).toList();
    List<String> result = new ArrayList<>();
    value.fieldNames().forEachRemaining(result::add);
    result.sort(
        Comparator.comparingInt(
            name -> listed.contains(name) ? listed.indexOf(name) : Integer.MAX_VALUE));
    return result;
  }

  private Written add(Written to, String text) {
    Config at = to.behind();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      if (at.isDead()) {
        break;
      }
      at = at.next(b & 255, machine);
    }
    return new Written(to.text() + text, at);
  }
}
