package dev.yuzui.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.grammar.Schemas.Wanted;
import dev.yuzui.grammar.Shape.Arr;
import dev.yuzui.grammar.Shape.Bool;
import dev.yuzui.grammar.Shape.Contains;
import dev.yuzui.grammar.Shape.Layer;
import dev.yuzui.grammar.Shape.Named;
import dev.yuzui.grammar.Shape.Null;
import dev.yuzui.grammar.Shape.Num;
import dev.yuzui.grammar.Shape.Obj;
import dev.yuzui.grammar.Shape.Places;
import dev.yuzui.grammar.Shape.Str;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;

/** The keywords that ask something of values of one type. */
final class SchemaTypes {
  private static final Set<String> NAMES =
      Set.of("null", "boolean", "integer", "number", "string", "object", "array");

  /** In whose presence a schema of its own does not say what has been evaluated. */
  private static final List<String> IN_PLACE =
      List.of(
          "$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "dependencies", "contains");

  private final Schemas schemas;
  private final Shapes shapes;
  private final JsonTerminals terminals;
  private final RegexPool pool;
  private final Budget budget;
  private final Function<Wanted, List<Shape>> reader;

  SchemaTypes(
      Schemas schemas,
      Shapes shapes,
      JsonTerminals terminals,
      Budget budget,
      Function<Wanted, List<Shape>> reader) {
    this.schemas = schemas;
    this.shapes = shapes;
    this.terminals = terminals;
    this.budget = budget;
    this.reader = reader;
    pool = terminals.pool;
  }

  List<Shape> read(JsonNode schema, String pointer) {
    Set<String> names = types(schema.get("type"), pointer + "/type");
    Predicate<String> wanted = name -> names.isEmpty() || names.contains(name);
    List<Shape> result = new ArrayList<>();
    if (wanted.test("null")) {
      result.add(new Null());
    }
    if (wanted.test("boolean")) {
      result.add(new Bool(false));
      result.add(new Bool(true));
    }
    if (wanted.test("number") || wanted.test("integer")) {
      result.add(number(schema, pointer, !wanted.test("number")));
    }
    if (wanted.test("string")) {
      result.add(string(schema, pointer));
    }
    if (wanted.test("object")) {
      result.add(object(schema, pointer));
    }
    if (wanted.test("array")) {
      result.add(array(schema, pointer));
    }
    result.removeIf(shape -> shapes.isEmpty(shape, 3));
    return result;
  }

  private static Set<String> types(JsonNode node, String pointer) {
    Set<String> result = new LinkedHashSet<>();
    if (node != null) {
      for (JsonNode name : node.isArray() ? node : List.of(node)) {
        if (!NAMES.contains(name.asText())) {
          throw new SchemaException(
              pointer, "expected one of " + NAMES.stream().sorted().toList() + ", found " + name);
        }
        result.add(name.asText());
      }
    }
    return result;
  }

  private Optional<BigDecimal> decimal(JsonNode schema, String pointer, String keyword) {
    JsonNode node = schema.get(keyword);
    if (node == null) {
      return Optional.empty();
    }
    if (!node.isNumber()) {
      throw new SchemaException(
          pointer + "/" + keyword, "expected a number, found " + SchemaDocument.kind(node));
    }
    return Optional.of(node.decimalValue());
  }

  private Num number(JsonNode schema, String pointer, boolean integer) {
    NumberForms forms = terminals.numbers;
    List<Regex> parts = new ArrayList<>();
    bound(schema, pointer, "minimum", "exclusiveMinimum", parts, forms::atLeast);
    bound(schema, pointer, "maximum", "exclusiveMaximum", parts, forms::atMost);
    Optional<BigDecimal> divisor = decimal(schema, pointer, "multipleOf");
    if (divisor.isPresent()) {
      if (divisor.get().signum() <= 0) {
        throw new SchemaException(
            pointer + "/multipleOf", "expected more than 0, found " + divisor.get());
      }
      try {
        parts.add(forms.multipleOf(divisor.get()));
      } catch (GrammarException e) {
        throw new SchemaException(pointer + "/multipleOf", e);
      }
    }
    if (integer) {
      parts.add(forms.integral());
    }
    return parts.isEmpty()
        ? shapes.anyNumber()
        : new Num(pool.and(parts), false, integer, Optional.empty());
  }

  private interface Bound {
    Regex of(BigDecimal bound, boolean exclusive);
  }

  private void bound(
      JsonNode schema,
      String pointer,
      String keyword,
      String exclusive,
      List<Regex> parts,
      Bound make) {
    boolean draft4 = schema.path(exclusive).isBoolean();
    boolean open = draft4 && schema.get(exclusive).booleanValue();
    decimal(schema, pointer, keyword).ifPresent(bound -> parts.add(make.of(bound, open)));
    if (!draft4) {
      decimal(schema, pointer, exclusive).ifPresent(bound -> parts.add(make.of(bound, true)));
    }
  }

  private int count(JsonNode schema, String pointer, String keyword, int otherwise) {
    Optional<BigDecimal> value = decimal(schema, pointer, keyword);
    if (value.isEmpty()) {
      return otherwise;
    }
    BigDecimal number = value.get();
    if (number.signum() < 0 || number.stripTrailingZeros().scale() > 0) {
      throw new SchemaException(
          pointer + "/" + keyword, "expected a whole number of 0 or more, found " + number);
    }
    BigDecimal most = BigDecimal.valueOf(100_000_000);
    return number.min(most).intValueExact();
  }

  private Str string(JsonNode schema, String pointer) {
    int min = count(schema, pointer, "minLength", 0);
    int max = count(schema, pointer, "maxLength", RegexPool.UNBOUNDED);
    Regex content = pool.all;
    long shortest = 0;
    long longest = Integer.MAX_VALUE;
    JsonNode pattern = schema.get("pattern");
    if (pattern != null) {
      content = search(pattern.asText(), pointer + "/pattern");
      RegexSyntax syntax = RegexParser.parse(pattern.asText(), budget);
      shortest = syntax.shortest();
      longest = anchored(syntax) ? syntax.longest() : Integer.MAX_VALUE;
    }
    JsonNode format = schema.get("format");
    if (format != null && format.isTextual()) {
      Optional<String> known;
      try {
        known = StringFormats.pattern(format.textValue());
      } catch (GrammarException e) {
        throw new SchemaException(pointer + "/format", e);
      }
      if (known.isPresent()) {
        RegexSyntax syntax = RegexParser.parse(known.get(), budget);
        content = pool.and(content, RegexParser.whole(known.get(), terminals.content, budget));
        shortest = Math.max(shortest, syntax.shortest());
        longest = Math.min(longest, syntax.longest());
      }
    }
    return new Str(min, max, content, shortest, longest, Optional.empty());
  }

  private static boolean anchored(RegexSyntax syntax) {
    return syntax instanceof RegexSyntax.Seq seq
        && !seq.parts().isEmpty()
        && seq.parts().getFirst() instanceof RegexSyntax.Begin
        && seq.parts().getLast() instanceof RegexSyntax.End;
  }

  private Regex search(String pattern, String pointer) {
    try {
      RegexSyntax syntax = RegexParser.parse(pattern, budget);
      return new RegexBuilder(pattern, terminals.content).somewhere(syntax);
    } catch (GrammarException e) {
      throw new SchemaException(pointer, e);
    }
  }

  private Obj object(JsonNode schema, String pointer) {
    Map<String, Wanted> listed = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : members(schema, pointer, "properties")) {
      String at = SchemaDocument.child(pointer + "/properties", entry.getKey());
      listed.put(entry.getKey(), schemas.raw(entry.getValue(), at));
    }
    List<Named> patterns = new ArrayList<>();
    for (Map.Entry<String, JsonNode> entry : members(schema, pointer, "patternProperties")) {
      String at = SchemaDocument.child(pointer + "/patternProperties", entry.getKey());
      patterns.add(
          new Named(entry.getKey(), search(entry.getKey(), at), schemas.raw(entry.getValue(), at)));
    }
    Wanted others = rest(schema, pointer, "additionalProperties", "unevaluatedProperties");
    Layer layer = new Layer(listed, patterns, others);
    Set<String> required = new LinkedHashSet<>();
    JsonNode names = schema.get("required");
    if (names != null && names.isArray()) {
      names.forEach(name -> required.add(name.asText()));
    } else if (names != null && !names.isBoolean()) {
      throw new SchemaException(
          pointer + "/required", "expected an array, found " + SchemaDocument.kind(names));
    }
    return new Obj(
        layer.equals(Layer.NONE) ? List.of() : List.of(layer),
        required,
        names(schema, pointer),
        count(schema, pointer, "minProperties", 0),
        count(schema, pointer, "maxProperties", RegexPool.UNBOUNDED));
  }

  private static Set<Map.Entry<String, JsonNode>> members(
      JsonNode schema, String pointer, String keyword) {
    JsonNode node = schema.get(keyword);
    if (node != null && !node.isObject()) {
      throw new SchemaException(
          pointer + "/" + keyword, "expected an object, found " + SchemaDocument.kind(node));
    }
    return node == null ? Set.of() : node.properties();
  }

  private Wanted rest(JsonNode schema, String pointer, String keyword, String unevaluated) {
    if (schema.has(keyword)) {
      return schemas.raw(schema.get(keyword), pointer + "/" + keyword);
    }
    JsonNode node = schema.get(unevaluated);
    if (node == null) {
      return Wanted.ANY;
    }
    for (String other : IN_PLACE) {
      if (schema.has(other)) {
        throw new SchemaException(
            pointer + "/" + unevaluated,
            unevaluated + " beside " + other + " is not supported; list what is allowed");
      }
    }
    return schemas.raw(node, pointer + "/" + unevaluated);
  }

  private List<Regex> names(JsonNode schema, String pointer) {
    JsonNode node = schema.get("propertyNames");
    if (node == null) {
      return List.of();
    }
    List<Regex> parts = new ArrayList<>();
    for (Shape shape : reader.apply(schemas.raw(node, pointer + "/propertyNames"))) {
      if (shape instanceof Str s) {
        Regex length = terminals.length(s.min(), s.max());
        parts.add(s.content() == pool.all ? length : pool.and(length, s.content()));
      }
    }
    return List.of(pool.alt(parts));
  }

  private Arr array(JsonNode schema, String pointer) {
    List<Wanted> prefix = new ArrayList<>();
    JsonNode items = schema.get("items");
    boolean tuple = items != null && items.isArray();
    String first = tuple ? "items" : "prefixItems";
    JsonNode places = schema.get(first);
    if (places != null) {
      for (int i = 0; i < places.size(); i++) {
        prefix.add(schemas.raw(places.get(i), pointer + "/" + first + "/" + i));
      }
    }
    Wanted rest = rest(schema, pointer, tuple ? "additionalItems" : "items", "unevaluatedItems");
    Places layer = new Places(prefix, rest);
    List<Contains> contains = new ArrayList<>();
    int min = count(schema, pointer, "minItems", 0);
    if (schema.has("contains")) {
      int least = count(schema, pointer, "minContains", 1);
      if (schema.has("maxContains")) {
        throw new SchemaException(
            pointer + "/maxContains", "maxContains is not supported; leave it out");
      }
      Wanted what = schemas.raw(schema.get("contains"), pointer + "/contains");
      if (what.isAny()) {
        min = Math.max(min, least);
      } else if (least > 0) {
        contains.add(new Contains(what, least));
      }
    }
    boolean unique = schema.path("uniqueItems").asBoolean(false);
    return new Arr(
        prefix.isEmpty() && rest.isAny() ? List.of() : List.of(layer),
        min,
        count(schema, pointer, "maxItems", RegexPool.UNBOUNDED),
        contains,
        unique ? Optional.of(pointer + "/uniqueItems") : Optional.empty());
  }
}
