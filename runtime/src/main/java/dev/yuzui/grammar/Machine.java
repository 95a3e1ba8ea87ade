package dev.yuzui.grammar;

import dev.yuzui.grammar.Config.Thread;
import dev.yuzui.grammar.Expr.Alt;
import dev.yuzui.grammar.Expr.Items;
import dev.yuzui.grammar.Expr.Lexeme;
import dev.yuzui.grammar.Expr.Member;
import dev.yuzui.grammar.Expr.Members;
import dev.yuzui.grammar.Expr.Repeat;
import dev.yuzui.grammar.Expr.Rule;
import dev.yuzui.grammar.Expr.Seq;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The pushdown automaton of a grammar. What it finds is kept, up to a limit; several threads may
 * use it, new states are made one at a time.
 */
final class Machine {
  /** States and frames that are kept; later all begins anew. */
  private static final int MOST_KEPT = 50_000;

  /** Terminals that may be under way at once, in an ambiguous grammar. */
  private static final int MOST_THREADS = 20_000;

  private final Expr root;
  private final Sound sound;
  private final Map<Frame, Frame> frames = new HashMap<>();
  private final Map<Config, Config> configs = new HashMap<>();
  private int numbered;
  private final Config dead = new Config(List.of(), false);
  private final Config start;

  Machine(Expr root, Sound sound) {
    this.root = root;
    this.sound = sound;
    start = begin();
  }

  Config start() {
    return start;
  }

  Config dead() {
    return dead;
  }

  private synchronized Config begin() {
    Closure closure = new Closure();
    closure.enter(root, null);
    return closure.done();
  }

  synchronized Config step(Config from, int value) {
    Closure closure = new Closure();
    for (Thread thread : from.threads) {
      Regex next = thread.state().next(value);
      if (!next.isNone()) {
        closure.reach(next, thread.after());
      }
    }
    return closure.done();
  }

  /** What may come behind a terminal. */
  Config after(Frame frame) {
    if (frame == null) {
      return end();
    }
    Config found = frame.start();
    if (found == null) {
      synchronized (this) {
        Closure closure = new Closure();
        closure.resume(frame);
        found = closure.done();
      }
      frame.start(found);
    }
    return found;
  }

  private synchronized Config end() {
    return kept(new Config(List.of(), true));
  }

  private Config kept(Config config) {
    if (configs.size() > MOST_KEPT) {
      configs.clear();
    }
    Config before = configs.putIfAbsent(config, config);
    return before == null ? config : before;
  }

  private Frame frame(Expr expr, int at, int count, Frame parent) {
    if (frames.size() > MOST_KEPT) {
      frames.clear();
    }
    Frame made = new Frame(numbered++, expr, at, count, parent);
    Frame before = frames.putIfAbsent(made, made);
    return before == null ? made : before;
  }

  /** All terminals that can be begun without reading a byte. */
  private final class Closure {
    private final Set<Thread> threads = new LinkedHashSet<>();
    private final Set<Frame> resumed = new HashSet<>();
    private final Set<Frame> entered = new HashSet<>(); // at: an expression, before its first part
    private boolean accepting;

    void reach(Regex state, Frame after) {
      // a state that nothing follows, and that reads nothing more, is only its end
      if (state.kind != Regex.Kind.EMPTY && threads.add(new Thread(state, after))) {
        if (threads.size() > MOST_THREADS) {
          throw new GrammarException(
              "the grammar is too ambiguous: more than "
                  + MOST_THREADS
                  + " ways to read the text are open");
        }
      }
      if (state.nullable) {
        resume(after);
      }
    }

    void resume(Frame frame) {
      if (frame == null) {
        accepting = true;
        return;
      }
      if (!resumed.add(frame)) {
        return;
      }
      Frame parent = frame.parent;
      switch (frame.expr) {
        case Seq seq -> {
          int at = frame.at;
          enter(
              seq.parts.get(at),
              at + 1 == seq.parts.size() ? parent : frame(seq, at + 1, 0, parent));
        }
        case Repeat repeat -> repeat(repeat, frame.at, frame.count, parent);
        case Members members -> {
          int at = frame.at;
          if ((at & 1) == 1) {
            int place = at >> 1;
            int next = Math.min(place + 1, members.listed.size());
            int count = Math.min(frame.count + 1, members.counted());
            enter(members.member(place).value(), frame(members, next << 1, count, parent));
          } else {
            members(members, at >> 1, frame.count, parent);
          }
        }
        case Items items -> new ItemsStep(items, frame).go();
        case Lexeme _, Alt _, Rule _ -> throw new IllegalStateException();
      }
    }

    void enter(Expr expr, Frame after) {
      if (!sound.productive(expr)) {
        return;
      }
      switch (expr) {
        case Lexeme lexeme -> reach(lexeme.regex, after);
        case Rule rule -> {
          if (entered.add(new Frame(-1, rule, 0, 0, after))) {
            enter(rule.body(), after);
          }
        }
        case Alt alt -> alt.parts.forEach(part -> enter(part, after));
        case Seq seq -> {
          if (seq.parts.isEmpty()) {
            resume(after);
          } else {
            enter(seq.parts.getFirst(), seq.parts.size() == 1 ? after : frame(seq, 1, 0, after));
          }
        }
        case Repeat repeat -> repeat(repeat, repeat.min, repeat.max, after);
        case Members members -> members(members, 0, 0, after);
        case Items items -> reach(items.open().regex, frame(items, 0, 0, after));
      }
    }

    private void repeat(Repeat repeat, int min, int max, Frame after) {
      if (min == 0) {
        resume(after);
      }
      if (max != 0) {
        int less = max == RegexPool.UNBOUNDED ? max : max - 1;
        enter(repeat.part, frame(repeat, Math.max(min - 1, 0), less, after));
      }
    }

    private void members(Members m, int from, int count, Frame after) {
      boolean room = m.max == RegexPool.UNBOUNDED || count < m.max;
      for (int i = from; i < m.listed.size() && room; i++) {
        Member member = m.listed.get(i);
        int needed = m.requiredFrom[i + 1];
        boolean fits =
            member.required() || m.max == RegexPool.UNBOUNDED || count + 1 + needed <= m.max;
        if (fits && enough(m, i + 1, count + 1)) {
          begin(m, member, i, count, after);
        }
        if (member.required()) {
          return;
        }
      }
      if (m.requiredFrom[from] > 0) {
        return;
      }
      for (int i = 0; i < m.others.size() && room; i++) {
        begin(m, m.others.get(i), m.listed.size() + i, count, after);
      }
      if (count >= m.min) {
        reach((count == 0 ? m.none : m.close).regex, after);
      }
    }

    private boolean enough(Members m, int from, int count) {
      return m.othersPossible || count + m.possibleFrom[from] >= m.min;
    }

    private void begin(Members m, Member member, int place, int count, Frame after) {
      if (sound.productive(member.value())) {
        Lexeme name = count == 0 ? member.first() : member.next();
        reach(name.regex, frame(m, place << 1 | 1, count, after));
      }
    }

    /** What comes at one place of an array. */
    private final class ItemsStep {
      private final Items items;
      private final Frame frame;
      private final int index;

      ItemsStep(Items items, Frame frame) {
        this.items = items;
        this.frame = frame;
        index = frame.at >> 1;
      }

      void go() {
        boolean behindComma = (frame.at & 1) == 1;
        if (behindComma) {
          item();
        } else {
          if (index >= items.min() && wantedLeft() == 0) {
            reach(items.close().regex, frame.parent);
          }
          if (index == 0) {
            if (more()) {
              item();
            }
          } else if (more()) {
            reach(items.comma().regex, frame(items, frame.at | 1, frame.count, frame.parent));
          }
        }
      }

      private int wantedLeft() {
        return items.wanted().isEmpty() ? 0 : items.wantedMin() - frame.count;
      }

      private boolean more() {
        if (items.max() != RegexPool.UNBOUNDED && index + Math.max(wantedLeft(), 1) > items.max()) {
          return false;
        }
        if (!items.distinct().isEmpty()) {
          for (int i = 0; i < items.distinct().size(); i++) {
            if (free(i)) {
              return true;
            }
          }
          return false;
        }
        return sound.productive(items.at(index));
      }

      private boolean free(int i) {
        return (frame.count >> i & 1) == 0 && sound.productive(items.distinct().get(i));
      }

      private void item() {
        if (!items.distinct().isEmpty()) {
          for (int i = 0; i < items.distinct().size(); i++) {
            if (free(i)) {
              enter(items.distinct().get(i), next(frame.count | 1 << i));
            }
          }
          return;
        }
        int left = wantedLeft();
        boolean roomForOther =
            items.max() == RegexPool.UNBOUNDED || index + 1 + left <= items.max();
        if (left <= 0 || roomForOther) {
          enter(items.at(index), next(frame.count));
        }
        if (left > 0) {
          enter(
              items.wanted().get(Math.min(index, items.wanted().size() - 1)),
              next(frame.count + 1));
        }
      }

      private Frame next(int count) {
        int most = Math.max(items.prefix().size(), items.min());
        if (items.max() != RegexPool.UNBOUNDED) {
          most = Math.max(most, items.max());
        }
        // from there on all places are alike; but the first, which has no comma before it
        int next = Math.min(index + 1, Math.max(most, 1));
        return frame(items, next << 1, count, frame.parent);
      }
    }

    Config done() {
      if (threads.isEmpty() && !accepting) {
        return dead;
      }
      List<Thread> sorted = new ArrayList<>(threads);
      sorted.sort(
          Comparator.<Thread>comparingInt(t -> t.state().id)
              .thenComparingInt(t -> Frame.id(t.after())));
      return kept(new Config(List.copyOf(sorted), accepting));
    }
  }
}
