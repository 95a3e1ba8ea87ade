package dev.yuzui.grammar;

/**
 * What follows a terminal: an expression that is under way, how far it is, and what follows that.
 * Equal ones of one {@link Machine} are one object.
 *
 * @param at a place in the expression
 * @param count what has been counted there
 * @param parent null below the outermost expression
 */
final class Frame {
  final Expr expr;
  final int at;
  final int count;
  final Frame parent;
  private final int hash;

  /** Terminals that may begin behind this; once they were asked for. */
  private volatile Config start;

  Frame(Expr expr, int at, int count, Frame parent) {
    this.expr = expr;
    this.at = at;
    this.count = count;
    this.parent = parent;
    hash =
        ((System.identityHashCode(expr) * 31 + at) * 31 + count) * 31
            + System.identityHashCode(parent);
  }

  Config start() {
    return start;
  }

  void start(Config found) {
    start = found;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Frame o
        && expr == o.expr
        && at == o.at
        && count == o.count
        && parent == o.parent;
  }

  @Override
  public int hashCode() {
    return hash;
  }
}
