package dev.yuzui.grammar;

import dev.yuzui.grammar.Expr.Alt;
import dev.yuzui.grammar.Expr.Lexeme;
import dev.yuzui.grammar.Expr.Member;
import dev.yuzui.grammar.Expr.Rule;
import dev.yuzui.grammar.Schemas.Wanted;
import dev.yuzui.grammar.Shape.Arr;
import dev.yuzui.grammar.Shape.Bool;
import dev.yuzui.grammar.Shape.Contains;
import dev.yuzui.grammar.Shape.Layer;
import dev.yuzui.grammar.Shape.Named;
import dev.yuzui.grammar.Shape.Null;
import dev.yuzui.grammar.Shape.Num;
import dev.yuzui.grammar.Shape.Obj;
import dev.yuzui.grammar.Shape.Str;
import java.math.BigDecimal;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A JSON Schema as expressions: a rule for each schema that values have. */
final class JsonSchemaGrammar {
  /** Patterns of names in one object: each set of them is a kind of name. */
  private static final int MOST_PATTERNS = 6;

  /** Values whose use is remembered, for {@code uniqueItems}. */
  private static final int MOST_DISTINCT = 30;

  private final JsonTerminals terminals;
  private final RegexPool pool;
  private final Schemas schemas;
  private final SchemaReader reader;
  private final Budget budget;
  private final Map<Wanted, Rule> rules = new HashMap<>();
  private final ArrayDeque<Wanted> open = new ArrayDeque<>();

  private JsonSchemaGrammar(SchemaDocument document, JsonTerminals terminals, Budget budget) {
    this.terminals = terminals;
    this.budget = budget;
    pool = terminals.pool;
    schemas = new Schemas();
    reader = new SchemaReader(document, schemas, terminals, budget);
  }

  static Expr of(String schema, JsonTerminals terminals, Budget budget) {
    SchemaDocument document = SchemaDocument.of(schema);
    JsonSchemaGrammar grammar = new JsonSchemaGrammar(document, terminals, budget);
    Expr root = grammar.rule(grammar.schemas.raw(document.root(), ""));
    while (!grammar.open.isEmpty()) {
      Wanted next = grammar.open.poll();
      grammar.rules.get(next).body(grammar.body(next));
    }
    return root;
  }

  private Expr rule(Wanted wanted) {
    if (wanted.isAny()) {
      return terminals.any();
    }
    Rule found = rules.get(wanted);
    if (found == null) {
      found = new Rule("schema");
      rules.put(wanted, found);
      open.add(wanted);
    }
    return found;
  }

  private Expr body(Wanted wanted) {
    List<Expr> parts = new ArrayList<>();
    List<Regex> scalars = new ArrayList<>();
    for (Shape shape : reader.shapes(wanted)) {
      budget.spend();
      switch (shape) {
        case Null _ -> scalars.add(pool.literal("null"));
        case Bool bool -> scalars.add(pool.literal("" + bool.value()));
        case Num number -> scalars.add(written(number));
        case Str string -> scalars.add(reader.algebra().written(string));
        case Obj object -> parts.add(object(object));
        case Arr array -> parts.add(array(array));
      }
    }
    if (!scalars.isEmpty()) {
      parts.add(new Lexeme(pool.alt(scalars)));
    }
    return parts.size() == 1 ? parts.getFirst() : new Alt(parts);
  }

  private Regex written(Num number) {
    NumberForms forms = terminals.numbers;
    if (number.literals().isPresent()) {
      List<Regex> texts = new ArrayList<>();
      for (BigDecimal value : number.literals().get()) {
        texts.add(written(value, number.integer()));
      }
      return pool.alt(texts);
    }
    if (number.free()) {
      return forms.free();
    }
    if (!number.integer()) {
      return number.set();
    }
    return number.set() == forms.integral()
        ? forms.integer()
        : pool.and(number.set(), forms.integer());
  }

  /** Whole numbers may have a zero behind the point, where they need not be integers. */
  private Regex written(BigDecimal value, boolean integer) {
    String text = NumberForms.text(value);
    Regex plain = pool.literal(text);
    return integer || text.indexOf('.') >= 0 ? plain : pool.alt(plain, pool.literal(text + ".0"));
  }

  private Expr object(Obj object) {
    List<Member> listed = new ArrayList<>();
    Set<String> known = object.known();
    for (String name : known) {
      budget.spend();
      Wanted value = object.of(name, terminals, schemas);
      boolean required = object.required().contains(name);
      if (required || !schemas.isNothing(value)) {
        listed.add(terminals.listed(name, value(value), required));
      }
    }
    List<Member> others = others(object, known);
    if (object.min() > object.required().size() + 1 && !others.isEmpty()) {
      throw new GrammarException(
          "schema: minProperties of "
              + object.min()
              + " among names that are not listed is not supported: they could be equal; list them"
              + " in 'properties' or 'required'");
    }
    return terminals.members(listed, others, object.min(), object.max());
  }

  /** A value that may not be: an expression without a text. */
  private Expr value(Wanted wanted) {
    return schemas.isNothing(wanted) ? new Alt(List.of()) : rule(wanted);
  }

  /** Names that are not listed, by the set of patterns that they match. */
  private List<Member> others(Obj object, Set<String> known) {
    Map<Regex, String> patterns = new LinkedHashMap<>();
    for (Layer layer : object.layers()) {
      layer.patterns().forEach(p -> patterns.put(p.name(), p.pattern()));
    }
    if (patterns.size() > MOST_PATTERNS) {
      throw new GrammarException(
          "schema: patternProperties: expected at most "
              + MOST_PATTERNS
              + " patterns in one object, found "
              + patterns.size());
    }
    List<Regex> all = List.copyOf(patterns.keySet());
    Regex unlisted =
        pool.not(terminals.string(pool.oneOf(known.stream().map(Shapes::encoded).toList())));
    List<Member> result = new ArrayList<>();
    for (int chosen = 0; chosen < 1 << all.size(); chosen++) {
      budget.spend();
      Wanted value = Wanted.ANY;
      for (Layer layer : object.layers()) {
        value = value.and(ofOthers(layer, all, chosen));
      }
      if (schemas.isNothing(value)) {
        continue;
      }
      List<Regex> name = new ArrayList<>();
      for (int i = 0; i < all.size(); i++) {
        boolean matches = (chosen >> i & 1) != 0;
        name.add(matches ? all.get(i) : pool.not(all.get(i)));
      }
      name.addAll(object.names());
      name.add(terminals.content.any());
      Regex key = terminals.string(pool.and(name));
      if (!known.isEmpty()) {
        key = pool.and(key, unlisted);
      }
      if (pool.alive(key)) {
        result.add(terminals.other("others", key, value(value)));
      }
    }
    return result;
  }

  private static Wanted ofOthers(Layer layer, List<Regex> all, int chosen) {
    Wanted result = Wanted.ANY;
    boolean found = false;
    for (Named pattern : layer.patterns()) {
      if ((chosen >> all.indexOf(pattern.name()) & 1) != 0) {
        result = result.and(pattern.value());
        found = true;
      }
    }
    return found ? result : layer.others();
  }

  private Expr array(Arr array) {
    if (array.contains().size() > 1) {
      throw new GrammarException("schema: contains: expected once, found several together");
    }
    int prefix = array.prefix();
    List<Expr> places = new ArrayList<>();
    List<Expr> wanted = new ArrayList<>();
    Optional<Contains> contains = array.contains().stream().findFirst();
    for (int i = 0; i <= prefix; i++) {
      budget.spend();
      Wanted place = array.at(i);
      if (i < prefix) {
        places.add(value(place));
      }
      contains.ifPresent(c -> wanted.add(value(place.and(c.what()))));
    }
    List<Expr> distinct = List.of();
    if (array.unique().isPresent() && array.max() != 0 && array.max() != 1) {
      distinct = distinct(array, array.unique().get());
    }
    return terminals.items(
        places,
        value(array.at(prefix)),
        array.min(),
        array.max(),
        wanted,
        contains.map(Contains::min).orElse(0),
        distinct);
  }

  /** The values that items may have, where they are few. */
  private List<Expr> distinct(Arr array, String pointer) {
    List<Expr> result = new ArrayList<>();
    boolean few = array.prefix() == 0 && array.contains().isEmpty();
    if (few) {
      for (Shape shape : reader.shapes(array.at(0))) {
        switch (shape) {
          case Null _ -> result.add(new Lexeme(pool.literal("null")));
          case Bool bool -> result.add(new Lexeme(pool.literal("" + bool.value())));
          case Num number when number.literals().isPresent() ->
              number
                  .literals()
                  .get()
                  .forEach(v -> result.add(new Lexeme(written(v, number.integer()))));
          case Str string when string.literals().isPresent() ->
              string
                  .literals()
                  .get()
                  .forEach(
                      v ->
                          result.add(
                              new Lexeme(terminals.string(pool.literal(Shapes.encoded(v))))));
          default -> few = false;
        }
      }
    }
    if (!few || result.size() > MOST_DISTINCT) {
      throw new SchemaException(
          pointer,
          "uniqueItems is supported for items of at most "
              + MOST_DISTINCT
              + " values (enum, const, boolean, null); leave it out");
    }
    return result;
  }
}
