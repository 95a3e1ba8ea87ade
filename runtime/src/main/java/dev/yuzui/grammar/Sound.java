package dev.yuzui.grammar;

import dev.yuzui.grammar.Expr.Alt;
import dev.yuzui.grammar.Expr.Items;
import dev.yuzui.grammar.Expr.Lexeme;
import dev.yuzui.grammar.Expr.Member;
import dev.yuzui.grammar.Expr.Members;
import dev.yuzui.grammar.Expr.Repeat;
import dev.yuzui.grammar.Expr.Rule;
import dev.yuzui.grammar.Expr.Seq;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which expressions match some text. Others are never entered, so that what is begun can be ended.
 */
final class Sound {
  private final Set<Expr> productive = Collections.newSetFromMap(new IdentityHashMap<>());
  private final Set<Expr> nullable = Collections.newSetFromMap(new IdentityHashMap<>());
  private final List<Expr> all = new ArrayList<>();

  Sound(Expr start) {
    collect(start);
    boolean changed = true;
    while (changed) {
      changed = false;
      for (Expr e : all.reversed()) {
        if (!productive.contains(e) && matchesSome(e)) {
          changed |= productive.add(e);
        }
        if (!nullable.contains(e) && matchesEmpty(e)) {
          changed |= nullable.add(e);
        }
      }
    }
    for (Expr e : all) {
      if (e instanceof Members m) {
        for (int i = m.listed.size() - 1; i >= 0; i--) {
          m.possibleFrom[i] = m.possibleFrom[i + 1] + (possible(m.listed.get(i)) ? 1 : 0);
        }
        m.othersPossible = m.others.stream().anyMatch(this::possible);
      }
    }
    refuseLeftRecursion();
  }

  boolean productive(Expr e) {
    return productive.contains(e);
  }

  int size() {
    return all.size();
  }

  private void collect(Expr start) {
    Set<Expr> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    ArrayDeque<Expr> open = new ArrayDeque<>();
    open.add(start);
    seen.add(start);
    while (!open.isEmpty()) {
      Expr e = open.poll();
      all.add(e);
      for (Expr kid : kids(e)) {
        if (seen.add(kid)) {
          open.add(kid);
        }
      }
    }
  }

  private static List<Expr> kids(Expr e) {
    return switch (e) {
      case Lexeme _ -> List.of();
      case Seq seq -> seq.parts;
      case Alt alt -> alt.parts;
      case Repeat repeat -> List.of(repeat.part);
      case Rule rule -> List.of(rule.body());
      case Members members -> {
        List<Expr> result = new ArrayList<>(List.of(members.none, members.close));
        for (List<Member> some : List.of(members.listed, members.others)) {
          for (Member member : some) {
            result.addAll(List.of(member.first(), member.next(), member.value()));
          }
        }
        yield result;
      }
      case Items items -> {
        List<Expr> result = new ArrayList<>(items.prefix());
        result.addAll(List.of(items.rest(), items.open(), items.comma(), items.close()));
        result.addAll(items.wanted());
        result.addAll(items.distinct());
        yield result;
      }
    };
  }

  private boolean possible(Member member) {
    return productive(member.value()) && productive(member.first());
  }

  private boolean matchesSome(Expr e) {
    return switch (e) {
      case Lexeme lexeme -> lexeme.regex.pool.alive(lexeme.regex);
      case Seq seq -> seq.parts.stream().allMatch(this::productive);
      case Alt alt -> alt.parts.stream().anyMatch(this::productive);
      case Repeat repeat -> repeat.min == 0 || productive(repeat.part);
      case Rule rule -> productive(rule.body());
      case Members m -> {
        long possible = m.listed.stream().filter(this::possible).count();
        yield m.listed.stream().allMatch(member -> !member.required() || possible(member))
            && (m.max == RegexPool.UNBOUNDED || m.requiredFrom[0] <= m.max)
            && (m.max == RegexPool.UNBOUNDED || m.min <= m.max)
            && (possible >= m.min || m.others.stream().anyMatch(this::possible));
      }
      case Items items -> matchesSome(items);
    };
  }

  private boolean matchesSome(Items items) {
    if (items.max() != RegexPool.UNBOUNDED && items.min() > items.max()) {
      return false;
    }
    if (!items.distinct().isEmpty()) {
      return items.distinct().stream().filter(this::productive).count() >= items.min();
    }
    int needed = Math.max(items.min(), items.wanted().isEmpty() ? 0 : items.wantedMin());
    for (int i = 0; i < needed; i++) {
      if (!productive(items.at(i))) {
        return false;
      }
      if (i >= items.prefix().size()) {
        break;
      }
    }
    return items.wanted().isEmpty()
        || items.wantedMin() == 0
        || items.wanted().stream().anyMatch(this::productive);
  }

  private boolean matchesEmpty(Expr e) {
    return switch (e) {
      case Lexeme lexeme -> lexeme.regex.nullable;
      case Seq seq -> seq.parts.stream().allMatch(nullable::contains);
      case Alt alt -> alt.parts.stream().anyMatch(nullable::contains);
      case Repeat repeat -> repeat.min == 0 || nullable.contains(repeat.part);
      case Rule rule -> nullable.contains(rule.body());
      case Members _, Items _ -> false;
    };
  }

  /** A rule that begins with itself would never read anything. */
  private void refuseLeftRecursion() {
    Map<Expr, List<Expr>> firsts = new HashMap<>();
    for (Expr e : all) {
      firsts.put(e, firsts(e));
    }
    Set<Expr> done = new HashSet<>();
    for (Expr start : all) {
      Set<Expr> path = new HashSet<>();
      ArrayDeque<Expr> open = new ArrayDeque<>();
      open.push(start);
      while (!open.isEmpty()) {
        Expr e = open.peek();
        if (done.contains(e)) {
          open.pop();
        } else if (path.add(e)) {
          for (Expr first : firsts.get(e)) {
            if (path.contains(first) && !done.contains(first)) {
              throw new GrammarException(
                  "rule '"
                      + path.stream()
                          .filter(r -> r instanceof Rule && !done.contains(r))
                          .map(r -> ((Rule) r).name)
                          .findFirst()
                          .orElse("?")
                      + "': expected one that reads something before it names itself, found left"
                      + " recursion; write x ::= y (\"+\" y)* for x ::= x \"+\" y | y");
            }
            open.push(first);
          }
        } else {
          done.add(e);
          open.pop();
        }
      }
    }
  }

  private List<Expr> firsts(Expr e) {
    return switch (e) {
      case Lexeme _, Members _, Items _ -> List.of();
      case Seq seq -> {
        List<Expr> result = new ArrayList<>();
        for (Expr part : seq.parts) {
          result.add(part);
          if (!nullable.contains(part)) {
            break;
          }
        }
        yield result;
      }
      case Alt alt -> alt.parts;
      case Repeat repeat -> List.of(repeat.part);
      case Rule rule -> List.of(rule.body());
    };
  }
}
