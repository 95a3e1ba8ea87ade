package dev.yuzui.grammar;

import java.util.List;

/** What a grammar is made of, above its terminals. Identity is what makes two of them equal. */
sealed interface Expr {

  /** A terminal. */
  final class Lexeme implements Expr {
    final Regex regex;

    Lexeme(Regex regex) {
      this.regex = regex;
    }
  }

  final class Seq implements Expr {
    final List<Expr> parts;

    Seq(List<Expr> parts) {
      this.parts = List.copyOf(parts);
    }
  }

  final class Alt implements Expr {
    final List<Expr> parts;

    Alt(List<Expr> parts) {
      this.parts = List.copyOf(parts);
    }
  }

  /** {@code min} to {@code max} times; {@link RegexPool#UNBOUNDED}. */
  final class Repeat implements Expr {
    final Expr part;
    final int min;
    final int max;

    Repeat(Expr part, int min, int max) {
      this.part = part;
      this.min = min;
      this.max = max;
    }
  }

  /** A name for an expression that may hold itself. */
  final class Rule implements Expr {
    final String name;
    private Expr body;

    Rule(String name) {
      this.name = name;
    }

    /** Given once, before the grammar is used. */
    void body(Expr body) {
      this.body = body;
    }

    Expr body() {
      return body;
    }
  }

  /**
   * The members of a JSON object: those that the schema lists, each at most once and in its order,
   * then any number of others.
   */
  final class Members implements Expr {
    final List<Member> listed;
    final List<Member> others;
    final int min;
    final int max;

    /** {@code {} without a member, and {@code }} behind the last. */
    final Lexeme none;

    final Lexeme close;

    /**
     * Required ones at or behind each place; and those that may be written. Set by {@link Sound}.
     */
    final int[] requiredFrom;

    final int[] possibleFrom;
    boolean othersPossible;

    Members(List<Member> listed, List<Member> others, int min, int max, Lexeme none, Lexeme close) {
      this.listed = List.copyOf(listed);
      this.others = List.copyOf(others);
      this.min = min;
      this.max = max;
      this.none = none;
      this.close = close;
      requiredFrom = new int[listed.size() + 1];
      possibleFrom = new int[listed.size() + 1];
      for (int i = listed.size() - 1; i >= 0; i--) {
        requiredFrom[i] = requiredFrom[i + 1] + (listed.get(i).required() ? 1 : 0);
      }
    }

    /** What the number of members is counted to. */
    int counted() {
      return Math.max(Math.max(min, max), 1);
    }

    Member member(int at) {
      return at < listed.size() ? listed.get(at) : others.get(at - listed.size());
    }
  }

  /**
   * @param first the name behind <code>{</code>
   * @param next the name behind a comma
   * @param value with its colon
   */
  record Member(String name, Lexeme first, Lexeme next, Expr value, boolean required) {}

  /**
   * A JSON array: {@code prefix}, then {@code rest} for each.
   *
   * @param rest an expression without a text where nothing may follow the prefix
   * @param wanted where not empty, at least {@code wantedMin} items are this as well
   * @param distinct where not empty, items are these, each at most once
   */
  record Items(
      List<Expr> prefix,
      Expr rest,
      int min,
      int max,
      List<Expr> wanted,
      int wantedMin,
      List<Expr> distinct,
      Lexeme open,
      Lexeme comma,
      Lexeme close)
      implements Expr {
    @Override
    public boolean equals(Object other) {
      return this == other;
    }

    @Override
    public int hashCode() {
      return System.identityHashCode(this);
    }

    Expr at(int index) {
      return index < prefix.size() ? prefix.get(index) : rest;
    }
  }
}
