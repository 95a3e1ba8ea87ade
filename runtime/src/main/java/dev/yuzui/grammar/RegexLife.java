package dev.yuzui.grammar;

import dev.yuzui.grammar.Regex.Kind;
import dev.yuzui.grammar.Regex.Life;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Whether an expression matches anything. Where nothing is intersected that can be seen; else
 * states are looked at until one matches.
 */
final class RegexLife {
  /** States looked at before an expression is refused, or a way on is taken for none. */
  private static final int MOST_STATES = 2_000;

  private RegexLife() {}

  /**
   * @param strictly throw where that would take too long to find; else it is no. What was found to
   *     lead to a match goes on doing so, so that a text never gets stuck.
   */
  static boolean alive(Regex r, boolean strictly) {
    if (r.plain) {
      return !r.isNone();
    }
    return switch (r.life()) {
      case ALIVE -> true;
      case DEAD -> false;
      case UNKNOWN -> {
        boolean found = findAlive(r, strictly);
        r.life(found ? Life.ALIVE : Life.DEAD);
        yield found;
      }
    };
  }

  private static boolean findAlive(Regex r, boolean strictly) {
    if (r.nullable) {
      return true;
    }
    return switch (r.kind) {
      case CONCAT -> alive(r.kids[0], strictly) && alive(r.kids[1], strictly);
      case ALT -> Arrays.stream(r.kids).anyMatch(kid -> alive(kid, strictly));
      case REPEAT -> alive(r.kids[0], strictly);
      default -> infiniteWithoutFew(r) || search(r, strictly);
    };
  }

  /** Endless texts without finitely many. */
  private static boolean infiniteWithoutFew(Regex r) {
    return r.kind == Kind.AND && r.kids.length == 2 && excluding(r) >= 0;
  }

  /**
   * The index of {@code X} in an intersection of an endless {@code X} and all but a finite set of
   * texts; −1 if this is none.
   */
  static int excluding(Regex r) {
    for (int i = 0; i < 2; i++) {
      Regex not = r.kids[1 - i];
      if (r.kids[i].infinite
          && not.kind == Kind.NOT
          && not.kids[0].plain
          && !not.kids[0].infinite) {
        return i;
      }
    }
    return -1;
  }

  private static boolean search(Regex start, boolean strictly) {
    Map<Regex, Regex> cameFrom = new HashMap<>();
    ArrayDeque<Regex> open = new ArrayDeque<>();
    cameFrom.put(start, start);
    open.add(start);
    while (!open.isEmpty()) {
      Regex at = open.poll();
      for (int value : at.classes().representatives()) {
        Regex next = at.pool.derivative(at, value);
        if (next.isNone() || next.life() == Life.DEAD) {
          continue;
        }
        if (next.plain || next.nullable || next.life() == Life.ALIVE) {
          for (Regex r = at; r != start; r = cameFrom.get(r)) {
            r.life(Life.ALIVE);
          }
          return true;
        }
        if (cameFrom.putIfAbsent(next, at) == null) {
          if (!strictly && cameFrom.size() > MOST_STATES) {
            return false;
          }
          if (cameFrom.size() > MOST_STATES) {
            throw new GrammarException(
                "a regular expression or number range needs more than "
                    + MOST_STATES
                    + " states; simplify it");
          }
          open.add(next);
        }
      }
    }
    cameFrom.keySet().forEach(r -> r.life(Life.DEAD));
    return false;
  }
}
