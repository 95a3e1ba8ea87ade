package dev.yuzui.grammar;

/**
 * What follows a terminal: an expression that is under way, how far it is, and what follows that.
 * Equal ones of one {@link Machine} are one object, with one number.
 */
final class Frame {
  final int id;
  final Expr expr;

  /** A place in the expression. */
  final int at;

  /** What has been counted there. */
  final int count;

  /** Null below the outermost expression. */
  final Frame parent;

  private final int hash;

  /** Terminals that may begin behind this; once they were asked for. */
  private volatile Config start;

  Frame(int id, Expr expr, int at, int count, Frame parent) {
    this.id = id;
    this.expr = expr;
    this.at = at;
    this.count = count;
    this.parent = parent;
    hash = ((System.identityHashCode(expr) * 31 + at) * 31 + count) * 31 + id(parent);
  }

  /** −1 where nothing follows. */
  static int id(Frame frame) {
    return frame == null ? -1 : frame.id;
  }

  Config start() {
    return start;
  }

  void start(Config found) {
    start = found;
  }

  @Override
  @SuppressWarnings("ReferenceEquality") // expressions are themselves alone
  public boolean equals(Object other) {
    return other instanceof Frame o
        && expr == o.expr
        && at == o.at
        && count == o.count
        && id(parent) == id(o.parent);
  }

  @Override
  public int hashCode() {
    return hash;
  }
}
