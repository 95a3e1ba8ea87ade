package dev.yuzui.grammar;

import dev.yuzui.grammar.Regex.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Makes regular expressions, each once, and their derivatives. Several threads may use it: new
 * expressions are made one at a time.
 */
final class RegexPool {
  static final int UNBOUNDED = -1;

  private static final Regex[] NO_KIDS = {};

  private record Key(Kind kind, List<Regex> kids, ByteSet bytes, int min, int max) {}

  private final Map<Key, Regex> made = new HashMap<>();
  private final Map<ByteClasses, ByteClasses> classes = new HashMap<>();
  private final Map<Integer, Map<Regex, Regex>> cuts = new HashMap<>(); // by length

  final Regex none = make(Kind.NONE, NO_KIDS, ByteSet.NONE, 0, 0);
  final Regex empty = make(Kind.EMPTY, NO_KIDS, ByteSet.NONE, 0, 0);

  /** Any bytes. */
  final Regex all = make(Kind.NOT, new Regex[] {none}, ByteSet.NONE, 0, 0);

  private synchronized Regex make(Kind kind, Regex[] kids, ByteSet bytes, int min, int max) {
    Key key = new Key(kind, List.of(kids), bytes, min, max);
    Regex found = made.get(key);
    if (found == null) {
      found = new Regex(this, made.size(), kind, kids, bytes, min, max);
      made.put(key, found);
    }
    return found;
  }

  synchronized int size() {
    return made.size();
  }

  synchronized ByteClasses shared(ByteClasses found) {
    ByteClasses before = classes.putIfAbsent(found, found);
    return before == null ? found : before;
  }

  Regex bytes(ByteSet set) {
    return set.isEmpty() ? none : make(Kind.BYTES, NO_KIDS, set, 0, 0);
  }

  Regex literal(byte[] text) {
    Regex result = empty;
    for (int i = text.length - 1; i >= 0; i--) {
      result = concat(bytes(ByteSet.of(text[i] & 255)), result);
    }
    return result;
  }

  /** ASCII letters as they are. */
  Regex literal(String text) {
    return literal(text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }

  Regex concat(Regex... parts) {
    Regex result = empty;
    for (int i = parts.length - 1; i >= 0; i--) {
      result = concat(parts[i], result);
    }
    return result;
  }

  Regex concat(Regex a, Regex b) {
    if (a == none || b == none) {
      return none;
    }
    if (a == empty) {
      return b;
    }
    if (b == empty) {
      return a;
    }
    if (a.kind == Kind.CONCAT) {
      List<Regex> heads = new ArrayList<>();
      Regex tail = a;
      for (; tail.kind == Kind.CONCAT; tail = tail.kids[1]) {
        heads.add(tail.kids[0]);
      }
      Regex result = concat(tail, b);
      for (Regex head : heads.reversed()) {
        result = concat(head, result);
      }
      return result;
    }
    if (b == all && a == all) {
      return all;
    }
    return make(Kind.CONCAT, new Regex[] {a, b}, ByteSet.NONE, 0, 0);
  }

  Regex alt(Regex... parts) {
    return alt(List.of(parts));
  }

  Regex alt(Collection<Regex> parts) {
    Set<Regex> flat = new HashSet<>();
    ByteSet bytes = ByteSet.NONE;
    ArrayDeque<Regex> open = new ArrayDeque<>(parts);
    while (!open.isEmpty()) {
      Regex part = open.pop();
      switch (part.kind) {
        case ALT -> open.addAll(Arrays.asList(part.kids));
        case BYTES -> bytes = bytes.or(part.bytes);
        case NONE -> {}
        default -> flat.add(part);
      }
    }
    if (flat.contains(all)) {
      return all;
    }
    if (!bytes.isEmpty()) {
      flat.add(bytes(bytes));
    }
    if (flat.contains(empty) && flat.stream().anyMatch(r -> r != empty && r.nullable)) {
      flat.remove(empty);
    }
    return flat.isEmpty() ? none : several(Kind.ALT, flat);
  }

  Regex and(Regex... parts) {
    return and(List.of(parts));
  }

  Regex and(Collection<Regex> parts) {
    Set<Regex> flat = new HashSet<>();
    ArrayDeque<Regex> open = new ArrayDeque<>(parts);
    while (!open.isEmpty()) {
      Regex part = open.pop();
      if (part == none) {
        return none;
      } else if (part.kind == Kind.AND) {
        open.addAll(Arrays.asList(part.kids));
      } else if (part != all) {
        flat.add(part);
      }
    }
    if (flat.contains(empty)) {
      return flat.stream().allMatch(r -> r.nullable) ? empty : none;
    }
    return flat.isEmpty() ? all : several(Kind.AND, flat);
  }

  private Regex several(Kind kind, Set<Regex> parts) {
    if (parts.size() == 1) {
      return parts.iterator().next();
    }
    Regex[] kids = parts.toArray(Regex[]::new);
    Arrays.sort(kids, Comparator.comparingInt(r -> r.id));
    return make(kind, kids, ByteSet.NONE, 0, 0);
  }

  Regex not(Regex part) {
    return part.kind == Kind.NOT
        ? part.kids[0]
        : make(Kind.NOT, new Regex[] {part}, ByteSet.NONE, 0, 0);
  }

  Regex optional(Regex part) {
    return alt(empty, part);
  }

  Regex star(Regex part) {
    return repeat(part, 0, UNBOUNDED);
  }

  Regex repeat(Regex part, int min, int max) {
    if (max == 0 || part == empty) {
      return empty;
    }
    if (part == none) {
      return min == 0 ? empty : none;
    }
    int least = part.nullable ? 0 : min;
    if (least == 1 && max == 1) {
      return part;
    }
    if (part.kind == Kind.REPEAT && part.min == 0 && part.max == UNBOUNDED) {
      return part;
    }
    if (part == all) {
      return all;
    }
    return least == 0 && max == 1
        ? optional(part)
        : make(Kind.REPEAT, new Regex[] {part}, ByteSet.NONE, least, max);
  }

  /** Digits that are a multiple of {@code modulus}, which is at most 100,000,000. */
  Regex multiple(int modulus) {
    return make(Kind.REMAINDER, NO_KIDS, ByteSet.NONE, modulus, 0);
  }

  /** One of {@code texts}; common beginnings are shared. */
  Regex oneOf(Collection<byte[]> texts) {
    List<byte[]> sorted = new ArrayList<>(texts);
    sorted.sort(Arrays::compareUnsigned);
    return oneOf(sorted, 0);
  }

  private Regex oneOf(List<byte[]> sorted, int depth) {
    if (sorted.size() == 1) {
      byte[] only = sorted.getFirst();
      return literal(Arrays.copyOfRange(only, depth, only.length));
    }
    List<Regex> parts = new ArrayList<>();
    int from = 0;
    while (from < sorted.size() && sorted.get(from).length == depth) {
      parts.add(empty);
      from++;
    }
    while (from < sorted.size()) {
      byte first = sorted.get(from)[depth];
      int to = from + 1;
      while (to < sorted.size() && sorted.get(to)[depth] == first) {
        to++;
      }
      parts.add(concat(bytes(ByteSet.of(first & 255)), oneOf(sorted.subList(from, to), depth + 1)));
      from = to;
    }
    return alt(parts);
  }

  Regex derivative(Regex r, int value) {
    return switch (r.kind) {
      case NONE, EMPTY -> none;
      case BYTES -> r.bytes.contains(value) ? empty : none;
      case CONCAT -> {
        Regex first = concat(raw(r.kids[0], value), r.kids[1]);
        yield r.kids[0].nullable ? alt(first, raw(r.kids[1], value)) : first;
      }
      case ALT -> alt(each(r, value));
      case AND -> and(each(r, value));
      case NOT -> not(raw(r.kids[0], value));
      case REPEAT -> {
        int max = r.max == UNBOUNDED ? UNBOUNDED : r.max - 1;
        yield concat(raw(r.kids[0], value), repeat(r.kids[0], Math.max(r.min - 1, 0), max));
      }
      case REMAINDER -> {
        if (value == '.') {
          yield r;
        }
        yield value < '0' || value > '9'
            ? none
            : make(
                Kind.REMAINDER, NO_KIDS, ByteSet.NONE, r.min, (r.max * 10 + value - '0') % r.min);
      }
    };
  }

  private Regex raw(Regex r, int value) {
    return switch (r.kind) {
      case NONE, EMPTY, BYTES -> derivative(r, value);
      default -> r.next(value);
    };
  }

  private List<Regex> each(Regex r, int value) {
    List<Regex> result = new ArrayList<>(r.kids.length);
    for (Regex kid : r.kids) {
      result.add(raw(kid, value));
    }
    return result;
  }

  /** {@code r}, or {@code NONE} if it matches nothing. */
  Regex living(Regex r) {
    return RegexLife.alive(r, false) ? r : none;
  }

  /** Whether some text matches; throws where that would take too long to find. */
  boolean alive(Regex r) {
    return RegexLife.alive(r, true);
  }

  /**
   * An expression that has the same beginnings of up to {@code most} bytes, with repetitions that
   * are counted no further than they have to be. Many states have one such.
   */
  synchronized Regex cut(Regex r, int most) {
    if (!r.counts) {
      return r;
    }
    Map<Regex, Regex> cut = cuts.computeIfAbsent(most, _ -> new HashMap<>());
    Regex found = cut.get(r);
    if (found == null) {
      found = findCut(r, most);
      cut.put(r, found);
    }
    return found;
  }

  private Regex findCut(Regex r, int most) {
    return switch (r.kind) {
      case CONCAT -> concat(cut(r.kids[0], most), cut(r.kids[1], most));
      case ALT -> alt(Arrays.stream(r.kids).map(kid -> cut(kid, most)).toList());
      case REPEAT ->
          repeat(
              cut(r.kids[0], most),
              Math.min(r.min, most),
              r.max == UNBOUNDED || r.max >= most ? UNBOUNDED : r.max);
      // what two expressions share depends on all that follows
      default -> r;
    };
  }
}
