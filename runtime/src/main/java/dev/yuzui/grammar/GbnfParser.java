package dev.yuzui.grammar;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads llama.cpp's GBNF. */
final class GbnfParser {
  /** As many as llama.cpp repeats. */
  private static final int MOST_REPEATED = 2000;

  private static final int MOST_NESTED = 500;

  /** What a rule stands for. */
  sealed interface Node {
    record One(Charset set) implements Node {}

    record Seq(List<Node> parts) implements Node {}

    record Alt(List<Node> parts) implements Node {}

    record Repeat(Node part, int min, int max) implements Node {}

    record Ref(String rule) implements Node {}
  }

  private final String text;
  private final Budget budget;
  private final Map<String, Node> rules = new LinkedHashMap<>();
  private int at;
  private int nested;

  private GbnfParser(String text, Budget budget) {
    this.text = text;
    this.budget = budget;
  }

  /** By name, each with what it stands for; every name that is used is there, and {@code root}. */
  static Map<String, Node> parse(String text, Budget budget) {
    GbnfParser parser = new GbnfParser(text, budget);
    parser.space(true);
    while (parser.at < text.length()) {
      parser.rule();
    }
    if (!parser.rules.containsKey("root")) {
      throw new GrammarException(
          "GBNF: expected a rule 'root', found "
              + (parser.rules.isEmpty() ? "no rule" : String.join(", ", parser.rules.keySet())));
    }
    parser.rules.forEach((name, node) -> parser.requireNames(name, node));
    return parser.rules;
  }

  private void requireNames(String rule, Node node) {
    switch (node) {
      case Node.One _ -> {}
      case Node.Seq seq -> seq.parts().forEach(part -> requireNames(rule, part));
      case Node.Alt alt -> alt.parts().forEach(part -> requireNames(rule, part));
      case Node.Repeat repeat -> requireNames(rule, repeat.part());
      case Node.Ref ref -> {
        if (!rules.containsKey(ref.rule())) {
          throw new GrammarException(
              "GBNF, rule '"
                  + rule
                  + "': expected names of rules, found '"
                  + ref.rule()
                  + "', which is none; add it");
        }
      }
    }
  }

  private void rule() {
    String name = name();
    space(false);
    if (!text.startsWith("::=", at)) {
      throw expected("::= behind the rule's name");
    }
    at += 3;
    space(true);
    Node body = alternatives(false);
    if (rules.put(name, body) != null) {
      throw new GrammarException("GBNF: rule '" + name + "': expected once, found twice");
    }
    if (at < text.length() && text.charAt(at) != '\n' && text.charAt(at) != '\r') {
      throw expected("a line's end behind the rule");
    }
    space(true);
  }

  private Node alternatives(boolean inside) {
    List<Node> parts = new ArrayList<>();
    parts.add(sequence(inside));
    while (peek() == '|') {
      at++;
      space(true);
      parts.add(sequence(inside));
    }
    return parts.size() == 1 ? parts.getFirst() : new Node.Alt(parts);
  }

  private Node sequence(boolean inside) {
    List<Node> parts = new ArrayList<>();
    while (true) {
      budget.spend();
      int c = peek();
      Node part;
      if (c == '"') {
        part = literal();
      } else if (c == '[') {
        part = new Node.One(set());
      } else if (c == '.') {
        at++;
        part = new Node.One(Charset.ANY);
      } else if (c == '(') {
        part = group();
      } else if (isName(c)) {
        part = new Node.Ref(name());
      } else if (c == '<' || c == '!') {
        throw new GrammarException(
            place() + ": tokens by number or spelling are not supported; write their text");
      } else {
        return parts.size() == 1 ? parts.getFirst() : new Node.Seq(parts);
      }
      space(inside);
      parts.add(repeated(part, inside));
    }
  }

  private Node group() {
    at++;
    if (++nested > MOST_NESTED) {
      throw new GrammarException(
          place() + ": expected at most " + MOST_NESTED + " groups in each other, found more");
    }
    space(true);
    Node result = alternatives(true);
    if (peek() != ')') {
      throw expected(")");
    }
    at++;
    nested--;
    return result;
  }

  private Node repeated(Node part, boolean inside) {
    int min;
    int max;
    switch (peek()) {
      case '*' -> {
        min = 0;
        max = RegexPool.UNBOUNDED;
      }
      case '+' -> {
        min = 1;
        max = RegexPool.UNBOUNDED;
      }
      case '?' -> {
        min = 0;
        max = 1;
      }
      case '{' -> {
        at++;
        space(inside);
        min = number();
        max = min;
        space(inside);
        if (peek() == ',') {
          at++;
          space(inside);
          max = peek() == '}' ? RegexPool.UNBOUNDED : number();
          space(inside);
        }
        if (peek() != '}') {
          throw expected("}");
        }
        if (max != RegexPool.UNBOUNDED && max < min) {
          throw expected("no more in {m,n} first than second");
        }
      }
      default -> {
        return part;
      }
    }
    at++;
    space(inside);
    return repeated(new Node.Repeat(part, min, max), inside);
  }

  private int number() {
    int start = at;
    while (peek() >= '0' && peek() <= '9') {
      at++;
    }
    if (start == at) {
      throw expected("a number");
    }
    if (at - start > 6 || Integer.parseInt(text.substring(start, at)) > MOST_REPEATED) {
      throw new GrammarException(
          place() + ": expected at most " + MOST_REPEATED + " repetitions, found more");
    }
    return Integer.parseInt(text.substring(start, at));
  }

  private Node literal() {
    at++;
    List<Node> parts = new ArrayList<>();
    while (peek() != '"') {
      int c = character();
      parts.add(new Node.One(Charset.range(c, c)));
    }
    at++;
    return new Node.Seq(parts);
  }

  private Charset set() {
    at++;
    boolean negative = peek() == '^';
    if (negative) {
      at++;
    }
    Charset result = Charset.NONE;
    while (peek() != ']') {
      int from = character();
      int to = from;
      if (peek() == '-' && at + 1 < text.length() && text.charAt(at + 1) != ']') {
        at++;
        to = character();
        if (to < from) {
          throw expected("a range whose end does not lie before its beginning");
        }
      }
      result = result.or(Charset.range(from, to));
    }
    at++;
    return negative ? result.not() : result;
  }

  private int character() {
    int c = peek();
    if (c < 0 || c == '\n') {
      throw expected("the end of a literal or class");
    }
    c = text.codePointAt(at);
    at += Character.charCount(c);
    if (c != '\\') {
      return c;
    }
    int kind = peek();
    at++;
    return switch (kind) {
      case 'x' -> hex(2);
      case 'u' -> hex(4);
      case 'U' -> hex(8);
      case 't' -> '\t';
      case 'r' -> '\r';
      case 'n' -> '\n';
      case '\\', '"', '[', ']', '-', '^', '\'' -> kind;
      default -> {
        at--;
        throw expected("one of \\x \\u \\U \\t \\r \\n \\\\ \\\" \\[ \\]");
      }
    };
  }

  private int hex(int digits) {
    if (at + digits <= text.length()) {
      String number = text.substring(at, at + digits);
      if (number.chars().allMatch(c -> Character.digit(c, 16) >= 0)) {
        long c = Long.parseLong(number, 16);
        if (c <= Charset.LAST && (c < 0xD800 || c > 0xDFFF)) {
          at += digits;
          return (int) c;
        }
      }
    }
    throw expected(digits + " hexadecimal digits of a character");
  }

  private String name() {
    int start = at;
    while (isName(peek())) {
      at++;
    }
    if (start == at) {
      throw expected("a rule's name");
    }
    return text.substring(start, at);
  }

  private static boolean isName(int c) {
    return (c >= 'a' && c <= 'z')
        || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9')
        || c == '-'
        || c == '_';
  }

  /** −1 at the end. */
  private int peek() {
    return at < text.length() ? text.charAt(at) : -1;
  }

  private void space(boolean lines) {
    while (at < text.length()) {
      char c = text.charAt(at);
      if (c == '#') {
        while (at < text.length() && text.charAt(at) != '\n') {
          at++;
        }
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        at++;
      } else {
        return;
      }
    }
  }

  private String place() {
    int line =
        1
            + (int)
                text.substring(0, Math.min(at, text.length()))
                    .chars()
                    .filter(c -> c == '\n')
                    .count();
    return "GBNF, line " + line;
  }

  private GrammarException expected(String what) {
    int end = at < text.length() ? text.indexOf('\n', at) : -1;
    String rest = at < text.length() ? text.substring(at, end < 0 ? text.length() : end) : "";
    return new GrammarException(
        place()
            + ": expected "
            + what
            + ", found "
            + (rest.isEmpty()
                ? "the end of the line"
                : "'" + rest.substring(0, Math.min(20, rest.length())) + "'"));
  }
}
