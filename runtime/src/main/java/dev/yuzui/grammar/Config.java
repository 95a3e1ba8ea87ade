package dev.yuzui.grammar;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A state of a grammar: the terminals that may be under way, each with what follows it. It is a
 * state of a DFA, found byte by byte.
 */
final class Config {
  /** A terminal's state and what follows; a null frame: the text. */
  record Thread(Regex state, Frame after) {
    @Override
    public boolean equals(Object other) {
      return other instanceof Thread o && state == o.state && Frame.id(after) == Frame.id(o.after);
    }

    @Override
    public int hashCode() {
      return state.id * 31 + Frame.id(after);
    }
  }

  static final int DEAD = -1;

  final List<Thread> threads;

  /** Whether the text may end here. */
  final boolean accepting;

  private final int hash;
  private volatile Edges edges;
  private volatile long[] mask;
  private volatile boolean asked;

  private record Edges(ByteClasses classes, Config[] next) {}

  Config(List<Thread> threads, boolean accepting) {
    this.threads = threads;
    this.accepting = accepting;
    hash = threads.hashCode() * 2 + (accepting ? 1 : 0);
  }

  boolean isDead() {
    return threads.isEmpty() && !accepting;
  }

  /** The state behind {@code value}; {@link #isDead} if none is. */
  Config next(int value, Machine machine) {
    Edges e = edges;
    if (e == null) {
      ByteClasses classes = ByteClasses.ONE;
      for (Thread thread : threads) {
        classes = classes.meet(thread.state.classes());
      }
      e = new Edges(classes, new Config[classes.count()]);
      edges = e;
    }
    int at = e.classes.of(value);
    Config found = e.next[at];
    if (found == null) {
      found = machine.step(this, value);
      e.next[at] = found;
    }
    return found;
  }

  /** The only byte that may come next; {@link #DEAD} where there are several, or none. */
  int forced(Machine machine) {
    if (accepting) {
      return DEAD;
    }
    int found = DEAD;
    for (int value = 0; value < 256; value++) {
      if (!next(value, machine).isDead()) {
        if (found != DEAD) {
          return DEAD;
        }
        found = value;
      }
    }
    return found;
  }

  Optional<long[]> mask() {
    return Optional.ofNullable(mask);
  }

  void mask(long[] found) {
    mask = found;
  }

  /** Whether the mask was asked for before. */
  boolean askedAgain() {
    boolean before = asked;
    asked = true;
    return before;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Config o
        && hash == o.hash
        && accepting == o.accepting
        && threads.equals(o.threads);
  }

  @Override
  public int hashCode() {
    return hash;
  }

  @Override
  public String toString() {
    return Arrays.toString(threads.stream().map(t -> t.state.kind).toArray());
  }
}
