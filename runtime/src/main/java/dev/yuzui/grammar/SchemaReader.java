package dev.yuzui.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.grammar.Schemas.Atom;
import dev.yuzui.grammar.Schemas.Wanted;
import dev.yuzui.grammar.Shape.Bool;
import dev.yuzui.grammar.Shape.Null;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What values a schema allows, as a union of shapes; schemas of properties and items stay names.
 */
final class SchemaReader {
  private static final Set<String> REFUSED =
      Set.of("$dynamicRef", "$recursiveRef", "extends", "disallow");

  private final SchemaDocument document;
  private final Schemas schemas;
  private final Shapes shapes;
  private final SchemaTypes types;
  private final Budget budget;
  private final Map<Wanted, List<Shape>> known = new HashMap<>();
  private final Set<Wanted> open = new HashSet<>();
  private final IdentityHashMap<JsonNode, List<Shape>> read = new IdentityHashMap<>();

  SchemaReader(SchemaDocument document, Schemas schemas, JsonTerminals terminals, Budget budget) {
    this.document = document;
    this.schemas = schemas;
    this.budget = budget;
    shapes = new Shapes(terminals, schemas, budget, this::shapes);
    types = new SchemaTypes(schemas, shapes, terminals, budget, this::shapes);
  }

  Shapes algebra() {
    return shapes;
  }

  List<Shape> shapes(Wanted wanted) {
    List<Shape> found = known.get(wanted);
    if (found == null) {
      budget.spend();
      if (!open.add(wanted)) {
        throw new GrammarException("a schema that is defined by itself");
      }
      found = shapes.everything();
      for (int atom : wanted.atoms()) {
        found =
            shapes.and(
                found,
                switch (schemas.atom(atom)) {
                  case Atom.Raw raw -> read(raw.node(), raw.pointer());
                  case Atom.Not not -> shapes.not(shapes(not.what()));
                });
      }
      open.remove(wanted);
      known.put(wanted, found);
    }
    return found;
  }

  private List<Shape> read(JsonNode schema, String pointer) {
    List<Shape> found = read.get(schema);
    if (found != null) {
      return found;
    }
    if (schema.isBoolean()) {
      return schema.booleanValue() ? shapes.everything() : List.of();
    }
    if (!schema.isObject()) {
      throw new SchemaException(
          pointer, "expected an object, true or false, found " + SchemaDocument.kind(schema));
    }
    try {
      found = readObject(schema, pointer);
    } catch (SchemaException e) {
      throw e;
    } catch (GrammarException e) {
      throw new SchemaException(pointer, e);
    }
    read.put(schema, found);
    return found;
  }

  private List<Shape> readObject(JsonNode schema, String pointer) {
    JsonNode reference = schema.get("$ref");
    if (reference != null && document.referencesStandAlone()) {
      return follow(schema, pointer, reference);
    }
    for (String keyword : REFUSED) {
      if (schema.has(keyword)) {
        throw new SchemaException(
            SchemaDocument.child(pointer, keyword), keyword + " is not supported; leave it out");
      }
    }
    List<Shape> result = types.read(schema, pointer);
    if (schema.has("const")) {
      result = shapes.and(result, values(List.of(schema.get("const")), pointer + "/const"));
    }
    if (schema.has("enum")) {
      List<JsonNode> values = new ArrayList<>();
      requireArray(schema.get("enum"), pointer + "/enum").forEach(values::add);
      result = shapes.and(result, values(values, pointer + "/enum"));
    }
    if (reference != null) {
      result = shapes.and(result, follow(schema, pointer, reference));
    }
    return combined(schema, pointer, result);
  }

  private List<Shape> follow(JsonNode schema, String pointer, JsonNode reference) {
    if (!reference.isTextual()) {
      throw new SchemaException(
          pointer + "/$ref", "expected a text, found " + SchemaDocument.kind(reference));
    }
    SchemaDocument.Place place = document.target(schema, pointer, reference.textValue());
    return shapes(schemas.raw(place.node(), place.pointer()));
  }

  private static JsonNode requireArray(JsonNode node, String pointer) {
    if (!node.isArray()) {
      throw new SchemaException(pointer, "expected an array, found " + SchemaDocument.kind(node));
    }
    return node;
  }

  /** One of {@code values}. */
  private List<Shape> values(List<JsonNode> values, String pointer) {
    List<Shape> result = new ArrayList<>();
    Set<BigDecimal> numbers = new TreeSet<>();
    Set<String> strings = new LinkedHashSet<>();
    for (JsonNode value : values) {
      budget.spend();
      if (value.isNull()) {
        result.add(new Null());
      } else if (value.isBoolean()) {
        result.add(new Bool(value.booleanValue()));
      } else if (value.isNumber()) {
        numbers.add(value.decimalValue());
      } else if (value.isTextual()) {
        strings.add(value.textValue());
      } else {
        result.addAll(shapes(schemas.raw(exactly(value), pointer)));
      }
    }
    if (!numbers.isEmpty()) {
      result.add(shapes.numbers(numbers));
    }
    if (!strings.isEmpty()) {
      result.add(shapes.strings(strings));
    }
    return List.copyOf(new LinkedHashSet<>(result));
  }

  /** A schema that only this array or object satisfies. */
  private static ObjectNode exactly(JsonNode value) {
    JsonNodeFactory make = JsonNodeFactory.instance;
    ObjectNode schema = make.objectNode();
    if (value.isArray()) {
      ArrayNode prefix = schema.put("type", "array").putArray("prefixItems");
      value.forEach(item -> prefix.addObject().set("const", item));
      schema.put("items", false).put("minItems", value.size());
    } else {
      ObjectNode properties = schema.put("type", "object").putObject("properties");
      ArrayNode required = schema.putArray("required");
      for (Map.Entry<String, JsonNode> entry : value.properties()) {
        properties.putObject(entry.getKey()).set("const", entry.getValue());
        required.add(entry.getKey());
      }
      schema.put("additionalProperties", false);
    }
    return schema;
  }

  private List<Shape> combined(JsonNode schema, String pointer, List<Shape> start) {
    List<Shape> result = start;
    if (schema.has("allOf")) {
      for (List<Shape> part : each(schema, pointer, "allOf")) {
        result = shapes.and(result, part);
      }
    }
    if (schema.has("anyOf")) {
      Set<Shape> some = new LinkedHashSet<>();
      each(schema, pointer, "anyOf").forEach(some::addAll);
      result = shapes.and(result, List.copyOf(some));
    }
    if (schema.has("oneOf")) {
      result = oneOf(result, each(schema, pointer, "oneOf"), pointer + "/oneOf");
    }
    if (schema.has("not")) {
      List<Shape> not =
          refusedAt(
              pointer + "/not",
              () -> shapes.not(shapes(schemas.raw(schema.get("not"), pointer + "/not"))));
      result = shapes.and(result, not);
    }
    if (schema.has("if") && (schema.has("then") || schema.has("else"))) {
      List<Shape> condition = shapes(schemas.raw(schema.get("if"), pointer + "/if"));
      List<Shape> not = refusedAt(pointer + "/if", () -> shapes.not(condition));
      List<Shape> both = new ArrayList<>(and(result, condition, schema, pointer, "then"));
      both.addAll(and(result, not, schema, pointer, "else"));
      result = both;
    }
    return dependencies(schema, pointer, result);
  }

  private List<Shape> and(
      List<Shape> start, List<Shape> condition, JsonNode schema, String pointer, String keyword) {
    List<Shape> result = shapes.and(start, condition);
    JsonNode more = schema.get(keyword);
    return more == null
        ? result
        : shapes.and(result, shapes(schemas.raw(more, pointer + "/" + keyword)));
  }

  private List<List<Shape>> each(JsonNode schema, String pointer, String keyword) {
    JsonNode parts = requireArray(schema.get(keyword), pointer + "/" + keyword);
    List<List<Shape>> result = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      result.add(shapes(schemas.raw(parts.get(i), pointer + "/" + keyword + "/" + i)));
    }
    return result;
  }

  private interface Step {
    List<Shape> run();
  }

  private static List<Shape> refusedAt(String pointer, Step step) {
    try {
      return step.run();
    } catch (SchemaException e) {
      throw e;
    } catch (GrammarException e) {
      throw new SchemaException(pointer, e.getMessage() + ": not supported here");
    }
  }

  /** Those that exactly one branch allows. */
  private List<Shape> oneOf(List<Shape> start, List<List<Shape>> branches, String pointer) {
    List<List<Shape>> narrowed =
        branches.stream().map(branch -> shapes.and(start, branch)).toList();
    Set<Shape> result = new LinkedHashSet<>();
    for (int i = 0; i < narrowed.size(); i++) {
      List<Shape> only = narrowed.get(i);
      for (int j = 0; j < narrowed.size(); j++) {
        List<Shape> mine = only;
        List<Shape> theirs = branches.get(j);
        if (i != j && !shapes.and(mine, narrowed.get(j)).isEmpty()) {
          only = refusedAt(pointer, () -> shapes.and(mine, shapes.not(theirs)));
        }
      }
      result.addAll(only);
    }
    return List.copyOf(result);
  }

  private List<Shape> dependencies(JsonNode schema, String pointer, List<Shape> start) {
    List<Shape> result = start;
    for (String keyword : List.of("dependencies", "dependentRequired", "dependentSchemas")) {
      JsonNode all = schema.get(keyword);
      if (all == null) {
        continue;
      }
      for (Map.Entry<String, JsonNode> entry : all.properties()) {
        String at = SchemaDocument.child(pointer + "/" + keyword, entry.getKey());
        List<Shape> choice = new ArrayList<>(shapes.everything());
        choice.removeIf(shape -> shape instanceof Shape.Obj);
        choice.add(shapes.property(entry.getKey(), schemas.nothing(), false));
        List<Shape> with = List.of(shapes.property(entry.getKey(), Wanted.ANY, true));
        JsonNode needs = entry.getValue();
        if (needs.isArray() || needs.isTextual()) {
          for (JsonNode name : needs.isArray() ? needs : List.of(needs)) {
            with = shapes.and(with, List.of(shapes.property(name.asText(), Wanted.ANY, true)));
          }
        } else {
          with = shapes.and(with, shapes(schemas.raw(needs, at)));
        }
        choice.addAll(with);
        result = shapes.and(result, choice);
      }
    }
    return result;
  }
}
