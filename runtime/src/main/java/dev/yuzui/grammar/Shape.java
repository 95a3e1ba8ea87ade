package dev.yuzui.grammar;

import dev.yuzui.grammar.Schemas.Wanted;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Values of one JSON type. A schema is a union of such. */
sealed interface Shape {
  record Null() implements Shape {}

  record Bool(boolean value) implements Shape {}

  /**
   * @param set texts of {@link NumberForms#plain}
   * @param free all of them
   * @param integer written without a fraction
   * @param literals where it is so few
   */
  record Num(Regex set, boolean free, boolean integer, Optional<Set<BigDecimal>> literals)
      implements Shape {}

  /**
   * @param min characters
   * @param max characters; {@link RegexPool#UNBOUNDED}
   * @param content what is written between the quotes; any bytes where nothing is asked
   * @param shortest characters that {@code content} is known to have
   * @param longest as {@code shortest}; {@link Integer#MAX_VALUE} if that is not known
   * @param literals where it is so few
   */
  record Str(
      int min, int max, Regex content, long shortest, long longest, Optional<Set<String>> literals)
      implements Shape {}

  /** Properties as one schema object asks for them. */
  record Layer(Map<String, Wanted> listed, List<Named> patterns, Wanted others) {
    static final Layer NONE = new Layer(Map.of(), List.of(), Wanted.ANY);

    Wanted of(String name, JsonTerminals terminals) {
      Wanted result = listed.getOrDefault(name, Wanted.ANY);
      boolean found = listed.containsKey(name);
      byte[] text = Shapes.encoded(name);
      for (Named pattern : patterns) {
        if (pattern.name().matches(text)) {
          result = result.and(pattern.value());
          found = true;
        }
      }
      return found ? result : others;
    }
  }

  /** Properties whose name matches. */
  record Named(String pattern, Regex name, Wanted value) {}

  /**
   * @param names what each name matches
   */
  record Obj(List<Layer> layers, Set<String> required, List<Regex> names, int min, int max)
      implements Shape {
    static final Obj ANY = new Obj(List.of(), Set.of(), List.of(), 0, RegexPool.UNBOUNDED);

    /** What a property's value has to be. */
    Wanted of(String name, JsonTerminals terminals, Schemas schemas) {
      byte[] text = Shapes.encoded(name);
      if (names.stream().anyMatch(r -> !r.matches(text))) {
        return schemas.nothing();
      }
      Wanted result = Wanted.ANY;
      for (Layer layer : layers) {
        result = result.and(layer.of(name, terminals));
      }
      return result;
    }

    /** All that are listed or required, in order. */
    Set<String> known() {
      Set<String> result = new LinkedHashSet<>();
      layers.forEach(layer -> result.addAll(layer.listed().keySet()));
      result.addAll(required);
      return result;
    }
  }

  /** Items as one schema object asks for them. */
  record Places(List<Wanted> prefix, Wanted rest) {
    Wanted at(int index) {
      return index < prefix.size() ? prefix.get(index) : rest;
    }
  }

  /** At least {@code min} items that are {@code what}. */
  record Contains(Wanted what, int min) {}

  record Arr(
      List<Places> layers, int min, int max, List<Contains> contains, Optional<String> unique)
      implements Shape {
    static final Arr ANY = new Arr(List.of(), 0, RegexPool.UNBOUNDED, List.of(), Optional.empty());

    Wanted at(int index) {
      Wanted result = Wanted.ANY;
      for (Places layer : layers) {
        result = result.and(layer.at(index));
      }
      return result;
    }

    int prefix() {
      return layers.stream().mapToInt(layer -> layer.prefix().size()).max().orElse(0);
    }
  }

  /** {@code a} and then what {@code b} has more. */
  static <T> List<T> joined(List<T> a, List<T> b) {
    Set<T> result = new LinkedHashSet<>(a);
    result.addAll(b);
    return new ArrayList<>(result);
  }
}
