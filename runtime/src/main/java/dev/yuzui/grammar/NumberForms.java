package dev.yuzui.grammar;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;

/**
 * Sets of numbers as texts. Where a set is bounded its numbers are written without exponents, and
 * zero without a sign; so each text is one number, and sets may be intersected and complemented.
 */
final class NumberForms {
  static final int MOST_DIGITS = 400;
  private static final int MOST_MODULUS = 100_000_000;

  private final RegexPool pool;
  private final Regex digit;
  private final Regex digits;
  private final Regex whole;
  private final Regex fraction;
  private final Regex minus;

  /** Not below zero. */
  private final Regex natural;

  private final Regex plain;
  private final Regex free;
  private final Regex integral;
  private final Regex integer;

  NumberForms(RegexPool pool) {
    this.pool = pool;
    digit = pool.bytes(ByteSet.range('0', '9'));
    digits = pool.star(digit);
    Regex zero = pool.literal("0");
    Regex many = pool.concat(pool.bytes(ByteSet.range('1', '9')), digits);
    whole = pool.alt(zero, many);
    minus = pool.literal("-");
    fraction = pool.concat(pool.literal("."), digit, digits);
    natural = pool.concat(whole, pool.optional(fraction));
    plain = pool.alt(natural, negative(above(BigDecimal.ZERO, true)));
    Regex exponent =
        pool.concat(
            pool.alt(pool.literal("e"), pool.literal("E")),
            pool.optional(pool.alt(minus, pool.literal("+"))),
            pool.optional(pool.bytes(ByteSet.range('1', '2'))), // what a double can hold
            pool.optional(digit),
            digit);
    free = pool.concat(pool.optional(minus), natural, pool.optional(exponent));
    Regex zeros = pool.optional(pool.concat(pool.literal("."), zero, pool.star(zero)));
    integral = pool.alt(pool.concat(whole, zeros), pool.concat(minus, many, zeros));
    integer = pool.concat(pool.optional(minus), whole);
  }

  private Regex negative(Regex positive) {
    return pool.concat(minus, positive);
  }

  /** As JSON writes numbers; exponents are below 300. */
  Regex free() {
    return free;
  }

  /** All numbers. */
  Regex plain() {
    return plain;
  }

  /** Numbers without a fraction; zeros may stand behind the point. */
  Regex integral() {
    return integral;
  }

  /** As integers are written. */
  Regex integer() {
    return integer;
  }

  static String text(BigDecimal value) {
    if (value.signum() == 0) {
      return "0";
    }
    BigDecimal stripped = value.stripTrailingZeros();
    if (stripped.precision() - stripped.scale() > MOST_DIGITS || stripped.scale() > MOST_DIGITS) {
      throw new GrammarException(
          "a number: expected at most " + MOST_DIGITS + " digits, found " + value);
    }
    return stripped.toPlainString();
  }

  Regex atLeast(BigDecimal bound, boolean exclusive) {
    if (bound.signum() < 0 || (bound.signum() == 0 && !exclusive)) {
      return bound.signum() == 0
          ? natural
          : pool.alt(
              natural,
              negative(pool.and(above(BigDecimal.ZERO, true), upTo(bound.negate(), exclusive))));
    }
    return above(bound, exclusive);
  }

  Regex atMost(BigDecimal bound, boolean exclusive) {
    if (bound.signum() > 0 || (bound.signum() == 0 && !exclusive)) {
      return pool.alt(upTo(bound, exclusive), negative(above(BigDecimal.ZERO, true)));
    }
    return bound.signum() == 0
        ? negative(above(BigDecimal.ZERO, true))
        : negative(above(bound.negate(), exclusive));
  }

  Regex equal(BigDecimal value) {
    return pool.and(atLeast(value, false), atMost(value, false));
  }

  private Regex upTo(BigDecimal bound, boolean exclusive) {
    return pool.and(natural, pool.not(above(bound, !exclusive)));
  }

  /** Naturals and their like above {@code bound}, which is not below zero. */
  private Regex above(BigDecimal bound, boolean exclusive) {
    String text = text(bound);
    int point = text.indexOf('.');
    String head = point < 0 ? text : text.substring(0, point);
    String tail = point < 0 ? "" : text.substring(point + 1);
    Regex higher = pool.concat(wholeAbove(head), pool.optional(fraction));
    Regex same = pool.literal(head);
    Regex behind =
        tail.isEmpty() && !exclusive
            ? pool.optional(fraction)
            : pool.concat(pool.literal("."), fractionAbove(tail, exclusive));
    return pool.alt(higher, pool.concat(same, behind));
  }

  private Regex wholeAbove(String bound) {
    List<Regex> parts = new ArrayList<>();
    for (int i = 0; i < bound.length(); i++) {
      if (bound.charAt(i) < '9') {
        parts.add(
            pool.concat(
                pool.literal(bound.substring(0, i)),
                pool.bytes(ByteSet.range(bound.charAt(i) + 1, '9')),
                pool.repeat(digit, bound.length() - 1 - i, bound.length() - 1 - i)));
      }
    }
    parts.add(
        pool.concat(
            pool.bytes(ByteSet.range('1', '9')),
            pool.repeat(digit, bound.length(), RegexPool.UNBOUNDED)));
    return pool.alt(parts);
  }

  private Regex fractionAbove(String bound, boolean exclusive) {
    List<Regex> parts = new ArrayList<>();
    for (int i = 0; i < bound.length(); i++) {
      if (bound.charAt(i) < '9') {
        parts.add(
            pool.concat(
                pool.literal(bound.substring(0, i)),
                pool.bytes(ByteSet.range(bound.charAt(i) + 1, '9')),
                digits));
      }
    }
    Regex more =
        exclusive
            ? pool.concat(pool.star(pool.literal("0")), pool.bytes(ByteSet.range('1', '9')), digits)
            : digits;
    parts.add(pool.concat(pool.literal(bound), more));
    return pool.alt(parts);
  }

  /** Throws where the automaton would be too large. */
  Regex multipleOf(BigDecimal divisor) {
    BigDecimal stripped = divisor.stripTrailingZeros();
    int places = Math.max(stripped.scale(), 0);
    BigInteger unit = stripped.movePointRight(places).toBigIntegerExact();
    if (unit.compareTo(BigInteger.valueOf(MOST_MODULUS)) > 0 || places > 20) {
      throw new GrammarException(
          "multipleOf: expected at most eight digits, found " + divisor.toPlainString());
    }
    List<Regex> forms = new ArrayList<>();
    Regex zeros = pool.star(pool.literal("0"));
    for (int written = 0; written <= places; written++) {
      BigInteger scale = BigInteger.TEN.pow(places - written);
      int modulus = unit.divide(unit.gcd(scale)).intValueExact();
      Regex multiple = modulus == 1 ? pool.all : pool.multiple(modulus);
      Regex point =
          written == 0
              ? pool.empty
              : pool.concat(pool.literal("."), pool.repeat(digit, written, written));
      Regex shape = pool.concat(whole, point);
      Regex more =
          written == places
              ? written == 0
                  ? pool.optional(pool.concat(pool.literal("."), pool.literal("0"), zeros))
                  : zeros
              : pool.empty;
      forms.add(pool.concat(pool.and(shape, multiple), more));
    }
    Regex natural = pool.alt(forms);
    Regex positive = pool.and(natural, above(BigDecimal.ZERO, true));
    return pool.alt(natural, negative(positive));
  }
}
