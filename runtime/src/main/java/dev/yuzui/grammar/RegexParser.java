package dev.yuzui.grammar;

import java.util.ArrayList;
import java.util.List;

/**
 * Reads ECMAScript's regular expressions: classes, groups, quantifiers (lazy ones are the others:
 * what is matched is the same), {@code ^}, {@code $}, looking ahead outside of repetitions, {@code
 * \p{…}}. Looking behind, back references and word boundaries are refused.
 */
final class RegexParser {
  private static final int MOST_REPEATED = 100_000;

  private final String text;
  private final Budget budget;
  private int at;
  private boolean ignoreCase;

  private RegexParser(String text, Budget budget) {
    this.text = text;
    this.budget = budget;
  }

  static RegexSyntax parse(String text, Budget budget) {
    RegexParser parser = new RegexParser(text, budget);
    if (text.startsWith("(?i)")) {
      parser.ignoreCase = true;
      parser.at = 4;
    }
    RegexSyntax result = parser.alternatives();
    if (parser.at < text.length()) {
      throw parser.expected("the end");
    }
    return result;
  }

  /** Texts that match as a whole. */
  static Regex whole(String text, TextEncoding encoding, Budget budget) {
    return new RegexBuilder(text, encoding).whole(parse(text, budget));
  }

  private RegexSyntax alternatives() {
    List<RegexSyntax> parts = new ArrayList<>();
    parts.add(sequence());
    while (at < text.length() && text.charAt(at) == '|') {
      at++;
      parts.add(sequence());
    }
    return parts.size() == 1 ? parts.getFirst() : new RegexSyntax.Alt(parts);
  }

  private RegexSyntax sequence() {
    List<RegexSyntax> parts = new ArrayList<>();
    while (at < text.length() && text.charAt(at) != '|' && text.charAt(at) != ')') {
      budget.spend();
      parts.add(quantified(atom()));
    }
    return parts.size() == 1 ? parts.getFirst() : new RegexSyntax.Seq(parts);
  }

  private RegexSyntax quantified(RegexSyntax part) {
    int min;
    int max;
    int before = at;
    switch (at < text.length() ? text.charAt(at) : 0) {
      case '*' -> {
        min = 0;
        max = RegexPool.UNBOUNDED;
        at++;
      }
      case '+' -> {
        min = 1;
        max = RegexPool.UNBOUNDED;
        at++;
      }
      case '?' -> {
        min = 0;
        max = 1;
        at++;
      }
      case '{' -> {
        at++;
        min = number();
        max = min;
        if (min >= 0 && at < text.length() && text.charAt(at) == ',') {
          at++;
          max = at < text.length() && text.charAt(at) == '}' ? RegexPool.UNBOUNDED : number();
          if (max == -2) {
            min = -2;
          }
        }
        if (min < 0 || at >= text.length() || text.charAt(at) != '}') {
          at = before; // a brace like any letter
          return part;
        }
        at++;
        if (max != RegexPool.UNBOUNDED && max < min) {
          throw refused("{" + min + "," + max + "}: expected no more first than second");
        }
      }
      default -> {
        return part;
      }
    }
    if (at < text.length() && text.charAt(at) == '?') {
      at++;
    } else if (at < text.length() && text.charAt(at) == '+') {
      throw refused("a possessive quantifier");
    }
    return quantified(new RegexSyntax.Repeat(part, min, max));
  }

  /** −2 if there is none. */
  private int number() {
    int start = at;
    while (at < text.length() && Character.digit(text.charAt(at), 10) >= 0) {
      at++;
    }
    if (start == at) {
      return -2;
    }
    if (at - start > 6 || Integer.parseInt(text.substring(start, at)) > MOST_REPEATED) {
      throw refused("a repetition of more than " + MOST_REPEATED);
    }
    return Integer.parseInt(text.substring(start, at));
  }

  private RegexSyntax atom() {
    int c = text.codePointAt(at);
    at += Character.charCount(c);
    return switch (c) {
      case '.' -> new RegexSyntax.One(Charset.of("\n\r\u2028\u2029").not());
      case '^' -> new RegexSyntax.Begin();
      case '$' -> new RegexSyntax.End();
      case '(' -> group();
      case '[' -> new RegexSyntax.One(cased(set()));
      case '\\' -> escaped();
      case '*', '+', '?' -> {
        at--;
        throw expected("something to repeat");
      }
      default -> new RegexSyntax.One(cased(Charset.range(c, c)));
    };
  }

  private Charset cased(Charset set) {
    return ignoreCase ? set.ignoringCase() : set;
  }

  private RegexSyntax group() {
    RegexSyntax result;
    if (text.startsWith("?=", at) || text.startsWith("?!", at)) {
      boolean negative = text.charAt(at + 1) == '!';
      at += 2;
      result = new RegexSyntax.Ahead(alternatives(), negative);
    } else {
      if (text.startsWith("?<=", at) || text.startsWith("?<!", at)) {
        throw refused("looking behind");
      } else if (text.startsWith("?:", at)) {
        at += 2;
      } else if (text.startsWith("?<", at) || text.startsWith("?P<", at)) {
        int end = text.indexOf('>', at);
        if (end < 0) {
          throw expected("a group's name and >");
        }
        at = end + 1;
      } else if (text.startsWith("?", at)) {
        throw refused("(" + text.substring(at, Math.min(at + 2, text.length())));
      }
      result = alternatives();
    }
    if (at >= text.length()) {
      throw expected(")");
    }
    at++;
    return result;
  }

  private RegexSyntax escaped() {
    if (at >= text.length()) {
      throw expected("a letter behind \\");
    }
    char c = text.charAt(at);
    if (c == 'b' || c == 'B') {
      throw refused("a word boundary");
    } else if ((c >= '1' && c <= '9') || (c == 'k' && text.startsWith("k<", at))) {
      throw refused("a back reference");
    } else if (c == 'A' || c == 'Z' || c == 'z') {
      throw refused("\\" + c + ", which ECMAScript does not have; use ^ and $");
    }
    return new RegexSyntax.One(cased(escape()));
  }

  /** A class or one letter, behind its backslash. */
  private Charset escape() {
    int c = text.codePointAt(at);
    at += Character.charCount(c);
    return switch (c) {
      case 'd' -> Charset.digit();
      case 'D' -> Charset.digit().not();
      case 'w' -> Charset.word();
      case 'W' -> Charset.word().not();
      case 's' -> Charset.space();
      case 'S' -> Charset.space().not();
      case 't' -> Charset.of("\t");
      case 'n' -> Charset.of("\n");
      case 'r' -> Charset.of("\r");
      case 'v' -> Charset.of("\u000B");
      case 'f' -> Charset.of("\f");
      case '0' -> Charset.of("\0");
      case 'b' -> Charset.of("\b"); // within a class
      case 'c' -> {
        if (at >= text.length() || !Character.isLetter(text.charAt(at))) {
          throw expected("a letter behind \\c");
        }
        int control = text.charAt(at++) & 31;
        yield Charset.range(control, control);
      }
      case 'x' -> one(hex(2));
      case 'u' -> one(unicode());
      case 'p', 'P' -> {
        Charset set = property();
        yield c == 'p' ? set : set.not();
      }
      default -> {
        if (c < 128 && Character.isLetterOrDigit(c)) {
          throw refused("\\" + (char) c);
        }
        yield one(c);
      }
    };
  }

  private static Charset one(int c) {
    return Charset.range(c, c);
  }

  private int unicode() {
    if (at < text.length() && text.charAt(at) == '{') {
      int end = text.indexOf('}', at);
      try {
        int c = Integer.parseInt(text.substring(at + 1, end), 16);
        at = end + 1;
        if (c <= Charset.LAST) {
          return c;
        }
      } catch (RuntimeException _) {
        // said below
      }
      throw expected("a character in \\u{…}");
    }
    int high = hex(4);
    if (Character.isHighSurrogate((char) high) && text.startsWith("\\u", at)) {
      int before = at;
      at += 2;
      int low = hex(4);
      if (Character.isLowSurrogate((char) low)) {
        return Character.toCodePoint((char) high, (char) low);
      }
      at = before;
    }
    return high;
  }

  private int hex(int digits) {
    if (at + digits <= text.length()) {
      String number = text.substring(at, at + digits);
      if (number.chars().allMatch(c -> Character.digit(c, 16) >= 0)) {
        at += digits;
        return Integer.parseInt(number, 16);
      }
    }
    throw expected(digits + " hexadecimal digits");
  }

  private Charset property() {
    int end = text.indexOf('}', at);
    if (at >= text.length() || text.charAt(at) != '{' || end < 0) {
      throw expected("{ and the name of a property");
    }
    String name = text.substring(at + 1, end);
    at = end + 1;
    return UnicodeProperties.named(name).orElseThrow(() -> refused("\\p{" + name + "}"));
  }

  /** A class, behind its bracket. */
  private Charset set() {
    boolean negative = at < text.length() && text.charAt(at) == '^';
    if (negative) {
      at++;
    }
    Charset result = Charset.NONE;
    while (at < text.length() && text.charAt(at) != ']') {
      budget.spend();
      Charset from = member();
      if (at + 1 < text.length() && text.charAt(at) == '-' && text.charAt(at + 1) != ']') {
        int dash = at++;
        Charset to = member();
        int first = single(from);
        int last = single(to);
        if (first < 0 || last < 0) {
          at = dash + 1; // a dash like any letter
          result = result.or(from).or(one('-'));
          continue;
        }
        if (last < first) {
          throw refused("a range whose end lies before its beginning");
        }
        result = result.or(Charset.range(first, last));
      } else {
        result = result.or(from);
      }
    }
    if (at >= text.length()) {
      throw expected("]");
    }
    at++;
    return negative ? cased(result).not() : result;
  }

  private static int single(Charset set) {
    List<int[]> ranges = set.ranges();
    return ranges.size() == 1 && ranges.getFirst()[0] == ranges.getFirst()[1]
        ? ranges.getFirst()[0]
        : -1;
  }

  private Charset member() {
    int c = text.codePointAt(at);
    at += Character.charCount(c);
    if (c != '\\') {
      return one(c);
    }
    if (at >= text.length()) {
      throw expected("a letter behind \\");
    }
    return escape();
  }

  private GrammarException expected(String what) {
    return new GrammarException(
        "regular expression '"
            + text
            + "', character "
            + (at + 1)
            + ": expected "
            + what
            + ", found "
            + (at < text.length() ? "'" + text.charAt(at) + "'" : "the end"));
  }

  private GrammarException refused(String what) {
    return new GrammarException(
        "regular expression '" + text + "': " + what + " is not supported; write it without");
  }
}
