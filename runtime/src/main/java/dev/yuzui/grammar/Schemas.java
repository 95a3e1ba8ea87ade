package dev.yuzui.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;

/** Schemas by number, and what several of them ask together. */
final class Schemas {
  /** What is asked: as the document says it, or that something else does not hold. */
  sealed interface Atom {
    record Raw(JsonNode node, String pointer) implements Atom {}

    record Not(Wanted what) implements Atom {}
  }

  /** All of these atoms; none: anything. */
  record Wanted(SortedSet<Integer> atoms) {
    static final Wanted ANY = new Wanted(new TreeSet<>());

    boolean isAny() {
      return atoms.isEmpty();
    }

    Wanted and(Wanted other) {
      if (isAny() || equals(other)) {
        return other;
      }
      if (other.isAny()) {
        return this;
      }
      SortedSet<Integer> both = new TreeSet<>(atoms);
      both.addAll(other.atoms);
      return new Wanted(both);
    }
  }

  private final List<Atom> atoms = new ArrayList<>();
  private final IdentityHashMap<JsonNode, Integer> raw = new IdentityHashMap<>();
  private final Map<Wanted, Integer> negated = new HashMap<>();
  private final Wanted nothing;

  Schemas() {
    nothing = of(new Atom.Raw(BooleanNode.FALSE, ""));
  }

  /** No value. */
  Wanted nothing() {
    return nothing;
  }

  boolean isNothing(Wanted wanted) {
    return wanted.atoms().contains(nothing.atoms().first());
  }

  Atom atom(int number) {
    return atoms.get(number);
  }

  Wanted raw(JsonNode node, String pointer) {
    if (node.isBoolean()) {
      return node.booleanValue() ? Wanted.ANY : nothing;
    }
    if (node.isObject() && node.isEmpty()) {
      return Wanted.ANY;
    }
    Integer known = raw.get(node);
    return known == null ? of(new Atom.Raw(node, pointer)) : one(known);
  }

  Wanted not(Wanted what) {
    if (what.isAny()) {
      return nothing;
    }
    if (isNothing(what)) {
      return Wanted.ANY;
    }
    Integer known = negated.get(what);
    return known == null ? of(new Atom.Not(what)) : one(known);
  }

  private Wanted of(Atom atom) {
    int number = atoms.size();
    atoms.add(atom);
    switch (atom) {
      case Atom.Raw r -> raw.put(r.node(), number);
      case Atom.Not not -> negated.put(not.what(), number);
    }
    return one(number);
  }

  private static Wanted one(int number) {
    return new Wanted(new TreeSet<>(List.of(number)));
  }
}
