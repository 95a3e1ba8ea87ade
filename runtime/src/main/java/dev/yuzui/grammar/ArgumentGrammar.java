package dev.yuzui.grammar;

import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.GrammarSource.OneOf;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.grammar.GrammarSource.Refused;
import dev.yuzui.grammar.GrammarSource.Repeated;
import dev.yuzui.grammar.GrammarSource.Sequence;
import dev.yuzui.grammar.GrammarSource.Template;
import dev.yuzui.grammar.GrammarSource.Text;
import dev.yuzui.io.Json;
import dev.yuzui.text.Tool;
import dev.yuzui.text.ToolSyntax.Invocations;
import dev.yuzui.text.ToolSyntax.Pairs;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** Arguments of a call that are written one by one, texts among them without quotes. */
final class ArgumentGrammar {
  /** How a family writes one. */
  enum Style {
    DSML("[^\"<>]{1,64}", Invocations.END_PARAMETER) {
      @Override
      GrammarSource of(GrammarSource name, boolean text, GrammarSource value) {
        return ToolGrammar.sequence(
            new Template(Invocations.PARAMETER),
            name,
            new Template(Invocations.IS_TEXT + text + Invocations.END_TAG),
            value,
            new Template(Invocations.END_PARAMETER + "\n"));
      }

      @Override
      boolean tells(Set<String> types) {
        return true;
      }
    },
    PAIRS("[^<>]{1,64}", Pairs.END_VALUE) {
      @Override
      GrammarSource of(GrammarSource name, boolean text, GrammarSource value) {
        return ToolGrammar.sequence(
            new Template(Pairs.KEY),
            name,
            new Template(Pairs.END_KEY + Pairs.VALUE),
            value,
            new Template(Pairs.END_VALUE));
      }

      @Override
      boolean tells(Set<String> types) {
        return Set.of("string", "null", "boolean").containsAll(types);
      }
    };

    private final String names;
    private final String close;

    /**
     * @param names what matches a name where none are listed
     * @param close ends a value: no text may hold it
     */
    Style(String names, String close) {
      this.names = names;
      this.close = close;
    }

    /**
     * @param text whether the value is one
     */
    abstract GrammarSource of(GrammarSource name, boolean text, GrammarSource value);

    /** Whether a text is no value of another of {@code types}, as it is read. */
    abstract boolean tells(Set<String> types);
  }

  /** What such arguments cannot be held to, besides {@link #BESIDE}. */
  private static final List<String> TOGETHER =
      List.of(
          "enum",
          "const",
          "patternProperties",
          "propertyNames",
          "minProperties",
          "maxProperties",
          "dependencies",
          "dependentRequired",
          "dependentSchemas",
          "unevaluatedProperties");

  /** Schemas beside a schema. */
  private static final List<String> BESIDE =
      List.of(
          "$ref",
          "$dynamicRef",
          "$recursiveRef",
          "allOf",
          "anyOf",
          "oneOf",
          "not",
          "if",
          "extends",
          "disallow");

  private final Tool tool;
  private final Style style;
  private final Map<?, ?> schema;

  private ArgumentGrammar(Tool tool, Style style) {
    this.tool = tool;
    this.style = style;
    schema = tool.parameters().orElse(Map.of());
  }

  /** In the schema's order; where no names are listed, any. */
  static GrammarSource of(Tool tool, Style style) {
    return new ArgumentGrammar(tool, style).all();
  }

  static List<?> required(Tool tool) {
    return tool.parameters().map(schema -> (Object) schema.get("required")).orElse(List.of())
            instanceof List<?> names
        ? names
        : List.of();
  }

  /** Whether a schema of an object has no names besides those it lists. */
  static boolean listsAll(Map<?, ?> schema) {
    return schema.get("properties") instanceof Map<?, ?>
        && unlisted(schema).isEmpty()
        && Stream.concat(TOGETHER.stream(), BESIDE.stream()).noneMatch(schema::containsKey);
  }

  private static Optional<String> unlisted(Map<?, ?> schema) {
    List<?> names = schema.get("required") instanceof List<?> required ? required : List.of();
    Map<?, ?> listed = schema.get("properties") instanceof Map<?, ?> map ? map : Map.of();
    return names.stream().filter(n -> !listed.containsKey(n)).map(String::valueOf).findFirst();
  }

  private GrammarSource all() {
    if (tool.lenient()) {
      return any();
    }
    if (tool.parameters().isEmpty()) {
      return ToolGrammar.sequence();
    }
    Optional<Refused> refused = refused();
    if (refused.isPresent()) {
      return ToolGrammar.named(tool, "", refused.get());
    }
    if (!(schema.get("properties") instanceof Map<?, ?> properties)) {
      return Boolean.FALSE.equals(schema.get("additionalProperties"))
          ? ToolGrammar.sequence()
          : any();
    }
    List<?> required = required(tool);
    List<GrammarSource> parts = new ArrayList<>();
    for (Map.Entry<?, ?> property : properties.entrySet()) {
      String name = String.valueOf(property.getKey());
      GrammarSource one =
          ToolGrammar.named(tool, ".properties." + name, argument(name, property.getValue()));
      parts.add(required.contains(name) ? one : new Repeated(one, 0, 1));
    }
    return new Sequence(parts);
  }

  private GrammarSource any() {
    GrammarSource one =
        new OneOf(
            List.of(
                style.of(new Pattern(style.names), true, Text.any(style.close)),
                style.of(
                    new Pattern(style.names), false, new JsonSchema("{}", ToolGrammar.LAYOUT))));
    return new Repeated(one, 0, Repeated.ANY_NUMBER);
  }

  private GrammarSource argument(String name, Object given) {
    Map<?, ?> own = given instanceof Map<?, ?> map ? map : Map.of();
    GrammarSource key = ToolGrammar.text(name);
    if (Tool.isText(own)) {
      return style.of(key, true, text(own));
    }
    GrammarSource json = style.of(key, false, json(given));
    Optional<Map<?, ?>> text = Tool.textAmongOthers(own);
    return text.isPresent() && style.tells(Tool.types(own))
        ? new OneOf(List.of(style.of(key, true, text(text.get())), json))
        : json;
  }

  /** Names that are not listed, and what is said of arguments together. */
  private Optional<Refused> refused() {
    return unlisted(schema)
        .map(name -> refused("/required", "names that properties list", "'" + name + "'"))
        .or(
            () ->
                Stream.concat(TOGETHER.stream(), BESIDE.stream())
                    .filter(schema::containsKey)
                    .findFirst()
                    .map(
                        word ->
                            refused(
                                "/" + word,
                                "properties and required alone, for this model writes arguments"
                                    + " one by one",
                                word)));
  }

  private static Refused refused(String pointer, String expected, String found) {
    return new Refused(
        "schema, '"
            + pointer
            + "': expected "
            + expected
            + ", found "
            + found
            + "; leave it out, or give the tool \"strict\": false");
  }

  /** A text as it is. */
  private GrammarSource text(Map<?, ?> own) {
    Optional<String> beside = BESIDE.stream().filter(own::containsKey).findFirst();
    if (beside.isPresent()) {
      return refused(
          "/" + beside.get(),
          "a text's own keywords, for this model writes texts without quotes",
          beside.get());
    }
    List<String> values = new ArrayList<>();
    if (own.get("const") instanceof String only) {
      values.add(only);
    } else if (own.get("enum") instanceof List<?> all) {
      all.stream().filter(String.class::isInstance).map(String.class::cast).forEach(values::add);
    }
    return new Text(
        style.close,
        values,
        keyword(own, "pattern"),
        keyword(own, "format"),
        length(own, "minLength", 0),
        length(own, "maxLength", -1));
  }

  private static Optional<String> keyword(Map<?, ?> own, String word) {
    return Optional.ofNullable(own.get(word)).map(String::valueOf);
  }

  private static int length(Map<?, ?> own, String word, int otherwise) {
    return own.get(word) instanceof Number given
        ? Math.clamp(given.longValue(), 0, 100_000_000)
        : otherwise;
  }

  /** A value as JSON, with what the whole schema defines for it. */
  private GrammarSource json(Object given) {
    if (!(given instanceof Map<?, ?> map)) {
      return new JsonSchema(Json.compact(given), ToolGrammar.LAYOUT);
    }
    Map<String, Object> all = new LinkedHashMap<>();
    for (String definitions : List.of("$schema", "$defs", "definitions")) {
      if (schema.get(definitions) != null) {
        all.put(definitions, schema.get(definitions));
      }
    }
    map.forEach((key, value) -> all.put(String.valueOf(key), value));
    return new JsonSchema(Json.compact(all), ToolGrammar.LAYOUT);
  }
}
