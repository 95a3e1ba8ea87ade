package dev.yuzui.grammar;

/**
 * A regular expression over bytes, and the state of a DFA: what may follow is {@link #next} of each
 * byte, its derivative (Brzozowski 1964; Owens, Reppy, Turon 2009). Made by a {@link RegexPool}, in
 * which equal expressions are one object.
 */
final class Regex {
  enum Kind {
    /** Matches nothing. */
    NONE,
    /** Matches the empty text. */
    EMPTY,
    BYTES,
    CONCAT,
    ALT,
    AND,
    NOT,
    /** From {@code min} to {@code max} times; {@link RegexPool#UNBOUNDED}. */
    REPEAT,
    /**
     * Digits that continue a number whose remainder by {@code min} is {@code max}, so that all of
     * them is a multiple; points are passed over.
     */
    REMAINDER
  }

  final RegexPool pool;
  final int id;
  final Kind kind;
  final Regex[] kids;
  final ByteSet bytes;
  final int min;
  final int max;

  final boolean nullable;

  /** Without {@code AND} and {@code NOT}: what is not {@code NONE} matches something. */
  final boolean plain;

  /** Matches texts of any length; known of plain expressions alone. */
  final boolean infinite;

  /** Has repetitions that are counted. */
  final boolean counts;

  private volatile ByteClasses classes;
  private volatile Edges edges;
  private volatile Life life = Life.UNKNOWN;
  private final TokenSets[] tokens = new TokenSets[2]; // by length; each is written as a whole

  /** Whether some text leads from here to a match. */
  enum Life {
    UNKNOWN,
    ALIVE,
    DEAD
  }

  private record Edges(ByteClasses classes, Regex[] next) {}

  Regex(RegexPool pool, int id, Kind kind, Regex[] kids, ByteSet bytes, int min, int max) {
    this.pool = pool;
    this.id = id;
    this.kind = kind;
    this.kids = kids;
    this.bytes = bytes;
    this.min = min;
    this.max = max;
    boolean all = true;
    boolean any = false;
    boolean allPlain = true;
    boolean anyInfinite = false;
    boolean anyCounts = kind == Kind.REPEAT && (min > 1 || max > 1);
    for (Regex kid : kids) {
      all &= kid.nullable;
      any |= kid.nullable;
      allPlain &= kid.plain;
      anyInfinite |= kid.infinite;
      anyCounts |= kid.counts;
    }
    nullable =
        switch (kind) {
          case NONE, BYTES -> false;
          case EMPTY -> true;
          case CONCAT, AND -> all;
          case ALT -> any;
          case NOT -> !all;
          case REPEAT -> min == 0 || all;
          case REMAINDER -> max == 0;
        };
    plain = kind != Kind.AND && kind != Kind.NOT && allPlain;
    counts = anyCounts;
    infinite =
        plain
            && (anyInfinite
                || kind == Kind.REMAINDER
                || (kind == Kind.REPEAT && max == RegexPool.UNBOUNDED));
  }

  /** The state behind {@code value}; a dead one is the pool's {@code NONE}. */
  Regex next(int value) {
    Edges e = edges;
    if (e == null) {
      e = new Edges(classes(), new Regex[classes().count()]);
      edges = e;
    }
    int at = e.classes.of(value);
    Regex found = e.next[at];
    if (found == null) {
      found = pool.living(pool.derivative(this, value));
      e.next[at] = found;
    }
    return found;
  }

  ByteClasses classes() {
    ByteClasses found = classes;
    if (found == null) {
      found = pool.shared(findClasses());
      classes = found;
    }
    return found;
  }

  private ByteClasses findClasses() {
    return switch (kind) {
      case NONE, EMPTY -> ByteClasses.ONE;
      case BYTES -> ByteClasses.of(bytes);
      case CONCAT ->
          kids[0].nullable ? kids[0].classes().meet(kids[1].classes()) : kids[0].classes();
      case NOT, REPEAT -> kids[0].classes();
      case ALT, AND -> {
        ByteClasses all = kids[0].classes();
        for (int i = 1; i < kids.length; i++) {
          all = all.meet(kids[i].classes());
        }
        yield all;
      }
      case REMAINDER -> {
        ByteClasses all = ByteClasses.of(ByteSet.of('.'));
        for (int digit = '0'; digit <= '9'; digit++) {
          all = all.meet(ByteClasses.of(ByteSet.of(digit)));
        }
        yield all;
      }
    };
  }

  Life life() {
    return life;
  }

  void life(Life found) {
    life = found;
  }

  TokenSets tokens(int kind) {
    return tokens[kind];
  }

  void tokens(int kind, TokenSets found) {
    tokens[kind] = found;
  }

  boolean isNone() {
    return kind == Kind.NONE;
  }

  /** Whether {@code text} is matched. */
  boolean matches(byte[] text) {
    Regex at = this;
    for (byte b : text) {
      at = at.next(b & 255);
      if (at.isNone()) {
        return false;
      }
    }
    return at.nullable;
  }
}
