package dev.yuzui.grammar;

import dev.yuzui.grammar.Schemas.Wanted;
import dev.yuzui.grammar.Shape.Arr;
import dev.yuzui.grammar.Shape.Bool;
import dev.yuzui.grammar.Shape.Contains;
import dev.yuzui.grammar.Shape.Layer;
import dev.yuzui.grammar.Shape.Null;
import dev.yuzui.grammar.Shape.Num;
import dev.yuzui.grammar.Shape.Obj;
import dev.yuzui.grammar.Shape.Places;
import dev.yuzui.grammar.Shape.Str;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** Unions of {@link Shape}s, what they have in common, and what they leave out. */
final class Shapes {
  private static final int MOST = 2000;

  /** How deep properties are followed to find that an object cannot be. */
  private static final int DEEPEST = 4;

  private final JsonTerminals terminals;
  private final RegexPool pool;
  private final Schemas schemas;
  private final Budget budget;

  /** What a schema stands for; may not be known yet. */
  private final Function<Wanted, List<Shape>> shapes;

  private final Num number;
  private final Str string;

  Shapes(
      JsonTerminals terminals,
      Schemas schemas,
      Budget budget,
      Function<Wanted, List<Shape>> shapes) {
    this.terminals = terminals;
    this.schemas = schemas;
    this.budget = budget;
    this.shapes = shapes;
    pool = terminals.pool;
    number = new Num(terminals.numbers.plain(), true, false, Optional.empty());
    string = new Str(0, RegexPool.UNBOUNDED, pool.all, 0, Integer.MAX_VALUE, Optional.empty());
  }

  /** A string's text as {@link JsonEncoding} writes it. */
  static byte[] encoded(String text) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    text.codePoints()
        .forEach(
            c -> {
              String written =
                  switch (c) {
                    case '"' -> "\\\"";
                    case '\\' -> "\\\\";
                    case '\b' -> "\\b";
                    case '\f' -> "\\f";
                    case '\n' -> "\\n";
                    case '\r' -> "\\r";
                    case '\t' -> "\\t";
                    default ->
                        c < 0x20 ? String.format(Locale.ROOT, "\\u%04x", c) : Character.toString(c);
                  };
              out.writeBytes(written.getBytes(StandardCharsets.UTF_8));
            });
    return out.toByteArray();
  }

  List<Shape> everything() {
    return List.of(new Null(), new Bool(false), new Bool(true), number, string, Obj.ANY, Arr.ANY);
  }

  Num anyNumber() {
    return number;
  }

  Str anyString() {
    return string;
  }

  Num numbers(Set<BigDecimal> values) {
    Regex set = pool.alt(values.stream().map(terminals.numbers::equal).toList());
    return new Num(set, false, false, Optional.of(values));
  }

  Str strings(Set<String> values) {
    return new Str(
        0,
        RegexPool.UNBOUNDED,
        pool.oneOf(values.stream().map(Shapes::encoded).toList()),
        values.stream().mapToLong(v -> v.codePointCount(0, v.length())).min().orElse(0),
        values.stream().mapToLong(v -> v.codePointCount(0, v.length())).max().orElse(0),
        Optional.of(values));
  }

  List<Shape> and(List<Shape> a, List<Shape> b) {
    List<Shape> result = new ArrayList<>();
    Set<Shape> seen = new HashSet<>();
    for (Shape x : a) {
      for (Shape y : b) {
        and(x, y)
            .ifPresent(
                both -> {
                  budget.spend();
                  if (!isEmpty(both, 0) && seen.add(both)) {
                    result.add(both);
                  }
                });
      }
    }
    return limited(result);
  }

  private static List<Shape> limited(List<Shape> shapes) {
    if (shapes.size() > MOST) {
      throw new GrammarException("more than " + MOST + " combinations");
    }
    return shapes;
  }

  private Optional<Shape> and(Shape x, Shape y) {
    if (x.equals(y)) {
      return Optional.of(x);
    }
    return switch (x) {
      case Null _, Bool _ -> Optional.empty();
      case Num n when y instanceof Num m -> and(n, m);
      case Str s when y instanceof Str t -> Optional.of(and(s, t));
      case Obj o when y instanceof Obj p ->
          Optional.of(
              new Obj(
                  Shape.joined(o.layers(), p.layers()),
                  union(o.required(), p.required()),
                  Shape.joined(o.names(), p.names()),
                  Math.max(o.min(), p.min()),
                  lower(o.max(), p.max())));
      case Arr r when y instanceof Arr s ->
          Optional.of(
              new Arr(
                  Shape.joined(r.layers(), s.layers()),
                  Math.max(r.min(), s.min()),
                  lower(r.max(), s.max()),
                  Shape.joined(r.contains(), s.contains()),
                  r.unique().or(s::unique)));
      default -> Optional.empty();
    };
  }

  private static Set<String> union(Set<String> a, Set<String> b) {
    Set<String> result = new LinkedHashSet<>(a);
    result.addAll(b);
    return result;
  }

  static int lower(int a, int b) {
    return a == RegexPool.UNBOUNDED ? b : b == RegexPool.UNBOUNDED ? a : Math.min(a, b);
  }

  private Optional<Shape> and(Num a, Num b) {
    boolean integer = a.integer() || b.integer();
    if (a.literals().isPresent() || b.literals().isPresent()) {
      boolean first = a.literals().isPresent();
      Num few = first ? a : b;
      Num other = first ? b : a;
      Set<BigDecimal> left = new LinkedHashSet<>();
      for (BigDecimal value : few.literals().get()) {
        if (other.set().matches(NumberForms.text(value).getBytes(StandardCharsets.US_ASCII))) {
          left.add(value);
        }
      }
      return left.isEmpty()
          ? Optional.empty()
          : Optional.of(new Num(numbers(left).set(), false, integer, Optional.of(left)));
    }
    Regex set = a.free() ? b.set() : b.free() ? a.set() : pool.and(a.set(), b.set());
    return Optional.of(new Num(set, a.free() && b.free(), integer, Optional.empty()));
  }

  private Str and(Str a, Str b) {
    int min = Math.max(a.min(), b.min());
    int max = lower(a.max(), b.max());
    if (a.literals().isPresent() || b.literals().isPresent()) {
      boolean first = a.literals().isPresent();
      Str few = first ? a : b;
      Str other = first ? b : a;
      Set<String> left = new LinkedHashSet<>();
      for (String value : few.literals().get()) {
        int length = value.codePointCount(0, value.length());
        if (length >= min
            && (max == RegexPool.UNBOUNDED || length <= max)
            && (other.content() == pool.all || other.content().matches(encoded(value)))) {
          left.add(value);
        }
      }
      return left.isEmpty() ? new Str(0, 0, pool.none, 0, 0, Optional.of(Set.of())) : strings(left);
    }
    return new Str(
        min,
        max,
        pool.and(a.content(), b.content()),
        Math.max(a.shortest(), b.shortest()),
        Math.min(a.longest(), b.longest()),
        Optional.empty());
  }

  /** What is written of a string, quotes and all. */
  Regex written(Str s) {
    if (s.content() == pool.all) {
      return terminals.freeString(s.min(), s.max());
    }
    boolean inside =
        s.shortest() >= s.min() && (s.max() == RegexPool.UNBOUNDED || s.longest() <= s.max());
    return terminals.string(
        inside ? s.content() : pool.and(terminals.length(s.min(), s.max()), s.content()));
  }

  boolean isEmpty(Wanted wanted, int depth) {
    return schemas.isNothing(wanted)
        || (depth < DEEPEST
            && !wanted.isAny()
            && shapes.apply(wanted).stream().allMatch(shape -> isEmpty(shape, depth + 1)));
  }

  boolean isEmpty(Shape shape, int depth) {
    return switch (shape) {
      case Null _, Bool _ -> false;
      case Num n -> !pool.alive(n.set());
      case Str s ->
          (s.max() != RegexPool.UNBOUNDED && s.min() > s.max()) || !pool.alive(written(s));
      case Obj o ->
          (o.max() != RegexPool.UNBOUNDED && Math.max(o.min(), o.required().size()) > o.max())
              || o.required().stream()
                  .anyMatch(name -> isEmpty(o.of(name, terminals, schemas), depth + 1));
      case Arr a -> {
        if (a.max() != RegexPool.UNBOUNDED && a.min() > a.max()) {
          yield true;
        }
        boolean found = false;
        for (int i = 0; i < a.min() && i <= a.prefix() && !found; i++) {
          found = isEmpty(a.at(i), depth + 1);
        }
        yield found;
      }
    };
  }

  /** What is none of {@code shapes}. */
  List<Shape> not(List<Shape> some) {
    List<Shape> result = everything();
    for (Shape shape : some) {
      result = and(result, not(shape));
    }
    return result;
  }

  private List<Shape> not(Shape shape) {
    List<Shape> result = new ArrayList<>();
    for (Shape other : everything()) {
      boolean same = other.getClass() == shape.getClass();
      if (!same || (shape instanceof Bool && !other.equals(shape))) {
        result.add(other);
      }
    }
    switch (shape) {
      case Null _, Bool _ -> {}
      case Num n -> {
        if (!n.free()) {
          Regex rest = pool.and(terminals.numbers.plain(), pool.not(n.set()));
          result.add(new Num(rest, false, false, Optional.empty()));
        }
      }
      case Str s -> notString(s, result);
      case Obj o -> notObject(o, result);
      case Arr a -> notArray(a, result);
    }
    return result;
  }

  private void notString(Str s, List<Shape> result) {
    if (s.min() > 0) {
      result.add(length(0, s.min() - 1));
    }
    if (s.max() != RegexPool.UNBOUNDED) {
      result.add(length(s.max() + 1, RegexPool.UNBOUNDED));
    }
    if (s.content() != pool.all) {
      Regex rest = pool.and(terminals.content.any(), pool.not(s.content()));
      result.add(new Str(0, RegexPool.UNBOUNDED, rest, 0, Integer.MAX_VALUE, Optional.empty()));
    }
  }

  private Str length(int min, int max) {
    return new Str(min, max, pool.all, 0, Integer.MAX_VALUE, Optional.empty());
  }

  Obj property(String name, Wanted value, boolean required) {
    Layer layer = new Layer(Map.of(name, value), List.of(), Wanted.ANY);
    return new Obj(
        List.of(layer), required ? Set.of(name) : Set.of(), List.of(), 0, RegexPool.UNBOUNDED);
  }

  private void notObject(Obj o, List<Shape> result) {
    if (!o.names().isEmpty()) {
      throw new GrammarException("that propertyNames does not hold");
    }
    o.required().forEach(name -> result.add(property(name, schemas.nothing(), false)));
    for (Layer layer : o.layers()) {
      if (layer.patterns().stream().anyMatch(p -> !p.value().isAny()) || !layer.others().isAny()) {
        throw new GrammarException("that additionalProperties or patternProperties does not hold");
      }
      layer
          .listed()
          .forEach(
              (name, value) -> {
                if (!value.isAny()) {
                  result.add(property(name, schemas.not(value), true));
                }
              });
    }
    if (o.min() > 0) {
      result.add(new Obj(List.of(), Set.of(), List.of(), 0, o.min() - 1));
    }
    if (o.max() != RegexPool.UNBOUNDED) {
      result.add(new Obj(List.of(), Set.of(), List.of(), o.max() + 1, RegexPool.UNBOUNDED));
    }
  }

  private void notArray(Arr a, List<Shape> result) {
    if (a.unique().isPresent()) {
      throw new GrammarException("that uniqueItems does not hold");
    }
    for (Places layer : a.layers()) {
      for (int i = 0; i < layer.prefix().size(); i++) {
        if (!layer.prefix().get(i).isAny()) {
          List<Wanted> prefix = new ArrayList<>(Collections.nCopies(i, Wanted.ANY));
          prefix.add(schemas.not(layer.prefix().get(i)));
          result.add(array(List.of(new Places(prefix, Wanted.ANY)), i + 1, RegexPool.UNBOUNDED));
        }
      }
      if (schemas.isNothing(layer.rest())) {
        result.add(array(List.of(), layer.prefix().size() + 1, RegexPool.UNBOUNDED));
      } else if (!layer.rest().isAny()) {
        if (!layer.prefix().isEmpty()) {
          throw new GrammarException("that items behind others do not hold");
        }
        result.add(
            new Arr(
                List.of(),
                0,
                RegexPool.UNBOUNDED,
                List.of(new Contains(schemas.not(layer.rest()), 1)),
                Optional.empty()));
      }
    }
    if (a.min() > 0) {
      result.add(array(List.of(), 0, a.min() - 1));
    }
    if (a.max() != RegexPool.UNBOUNDED) {
      result.add(array(List.of(), a.max() + 1, RegexPool.UNBOUNDED));
    }
    for (Contains contains : a.contains()) {
      if (contains.min() != 1) {
        throw new GrammarException("that minContains does not hold");
      }
      result.add(
          array(
              List.of(new Places(List.of(), schemas.not(contains.what()))),
              0,
              RegexPool.UNBOUNDED));
    }
  }

  private static Arr array(List<Places> layers, int min, int max) {
    return new Arr(layers, min, max, List.of(), Optional.empty());
  }
}
