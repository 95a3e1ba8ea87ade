package dev.yuzui.text;

import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeSet;

/** Spellings that mean something to a model, to be found in texts: the longest at each place. */
final class ControlTokens {
  /** Known everywhere, token or not: what follows them in a prompt is taken for reasoning. */
  static final Set<String> THINK = Set.of("<think>", "</think>");

  private final NavigableSet<String> spellings;

  /** Lengths by first letter, the longest first. */
  private final Map<Character, NavigableSet<Integer>> lengths = new HashMap<>();

  private final int longest;

  ControlTokens(Collection<String> spellings) {
    this.spellings = new TreeSet<>(spellings);
    this.spellings.remove("");
    for (String spelling : this.spellings) {
      lengths
          .computeIfAbsent(spelling.charAt(0), _ -> new TreeSet<>(Comparator.reverseOrder()))
          .add(spelling.length());
    }
    longest = this.spellings.stream().mapToInt(String::length).max().orElse(0);
  }

  ControlTokens and(Set<String> more) {
    Set<String> all = new HashSet<>(spellings);
    all.addAll(more);
    return new ControlTokens(all);
  }

  /** What the spellings begin with. */
  Set<Character> firsts() {
    return lengths.keySet();
  }

  /** The longest one that stands in {@code text} at {@code at}; empty if none does. */
  String at(String text, int at) {
    for (int length : lengths.getOrDefault(text.charAt(at), Collections.emptyNavigableSet())) {
      if (at + length <= text.length()) {
        String found = text.substring(at, at + length);
        if (spellings.contains(found)) {
          return found;
        }
      }
    }
    return "";
  }

  /** Whether one of them stands in {@code text} from {@code from} to {@code to}. */
  boolean anyIn(String text, int from, int to) {
    for (int i = from; i < to; i++) {
      String spelling = at(text, i);
      if (!spelling.isEmpty() && i + spelling.length() <= to) {
        return true;
      }
    }
    return false;
  }

  /** Whether what stands in {@code text} from {@code from} to {@code to} begins one of them. */
  boolean begun(String text, int from, int to) {
    if (to <= from || to - from >= longest || !lengths.containsKey(text.charAt(from))) {
      return false;
    }
    String rest = text.substring(from, to);
    String next = spellings.ceiling(rest);
    return next != null && next.startsWith(rest);
  }
}
