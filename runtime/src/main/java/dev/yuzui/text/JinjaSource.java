package dev.yuzui.text;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Rewrites a template so that jinjava means by it what Python's Jinja means. Whitespace control is
 * settled here, by Jinja's rules for trim_blocks and lstrip_blocks (jinjava also strips blanks
 * before a tag in mid-line); printed values pass through {@link Jinja#PRINT}; {@code for … if},
 * {@code for … else} and {@code [::-1]}, which jinjava lacks, are written with what it has. Lines
 * keep their numbers.
 */
final class JinjaSource {
  private static final Pattern FOR = Pattern.compile("for\\s+(.+?)\\s+in\\s+(.+)", Pattern.DOTALL);
  private static final Pattern FILTER = Pattern.compile("\\|\\s*(\\w+)");

  private enum Kind {
    DATA,
    PRINT,
    TAG
  }

  /**
   * @param body the text, or what stands between the delimiters
   * @param lost line breaks that whitespace control took before it
   */
  private record Token(Kind kind, String body, int lost) {
    String word() {
      Matcher m = Pattern.compile("\\w+").matcher(body);
      return kind == Kind.TAG && m.lookingAt() ? m.group() : "";
    }
  }

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private boolean lineStart = true;
  private int lost;

  private JinjaSource(String source) {
    this.source = source;
  }

  /**
   * @param filters the names that may follow a {@code |}: jinjava takes no notice of unknown ones
   */
  static String rewrite(String template, Set<String> filters) {
    String text = template.replace("\r\n", "\n").replace('\r', '\n');
    // Jinja drops the one newline an editor leaves at the end
    JinjaSource source =
        new JinjaSource(text.endsWith("\n") ? text.substring(0, text.length() - 1) : text);
    source.scan();
    for (Token token : source.tokens) {
      Matcher filter = FILTER.matcher(token.kind == Kind.DATA ? "" : withoutStrings(token.body));
      while (filter.find()) {
        if (!filters.contains(filter.group(1))) {
          throw new TextException("no filter \"" + filter.group(1) + "\"");
        }
      }
    }
    return source.write();
  }

  private void scan() {
    while (at < source.length()) {
      int open = at;
      while (open < source.length() && !opensAt(open)) {
        open++;
      }
      String data = source.substring(at, open);
      if (open == source.length()) {
        add(Kind.DATA, data);
        return;
      }
      char kind = source.charAt(open + 1);
      char sign = open + 2 < source.length() ? source.charAt(open + 2) : ' ';
      data(data, kind, sign);
      at = open + 2 + (sign == '-' || sign == '+' ? 1 : 0);
      switch (kind) {
        case '#' -> comment();
        case '{' -> add(Kind.PRINT, inside("}}"));
        default -> tag();
      }
    }
  }

  private boolean opensAt(int i) {
    return source.charAt(i) == '{'
        && i + 1 < source.length()
        && "{%#".indexOf(source.charAt(i + 1)) >= 0;
  }

  /** Text before a delimiter: {@code -} takes all its blanks, a tag those of its own line. */
  private void data(String data, char kind, char sign) {
    String kept = data;
    if (sign == '-') {
      kept = data.stripTrailing();
    } else if (sign != '+' && kind != '{') {
      int line = data.lastIndexOf('\n') + 1;
      if ((line > 0 || lineStart) && data.substring(line).isBlank()) {
        kept = data.substring(0, line);
      }
    }
    add(Kind.DATA, kept);
    lose(data.substring(kept.length()));
  }

  private void tag() {
    String body = inside("%}");
    if (!body.strip().equals("raw")) {
      add(Kind.TAG, body);
      return;
    }
    Matcher end = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%}").matcher(source);
    if (!end.find(at)) {
      throw new TextException("{% raw %} is never closed");
    }
    data(source.substring(at, end.start()), '%', (end.group(1) + " ").charAt(0));
    at = end.end();
    closed((end.group(2) + " ").charAt(0), true);
  }

  private void comment() {
    int end = source.indexOf("#}", at);
    if (end < 0) {
      throw new TextException("a comment is never closed");
    }
    char sign = source.charAt(end - 1);
    lose(source.substring(at, end));
    at = end + 2;
    closed(sign, true);
  }

  /** What stands up to the closing delimiter, which strings and brackets may contain. */
  private String inside(String close) {
    int from = at;
    int depth = 0;
    for (int i = from; i < source.length(); i++) {
      char c = source.charAt(i);
      if (c == '\'' || c == '"') {
        i = stringEnd(source, i);
      } else if (depth == 0 && source.startsWith(close, i)) {
        char sign = i > from ? source.charAt(i - 1) : ' ';
        boolean signed = sign == '-' || (sign == '+' && close.equals("%}"));
        at = i + 2;
        String body = source.substring(from, signed ? i - 1 : i).strip();
        lose("\n".repeat((int) (lines(source.substring(from, i)) - lines(body))));
        closed(sign, close.equals("%}"));
        return body;
      } else if ("([{".indexOf(c) >= 0) {
        depth++;
      } else if (")]}".indexOf(c) >= 0) {
        depth--;
      }
    }
    throw new TextException("expected " + close + ", found the end of the template");
  }

  private void closed(char sign, boolean block) {
    int from = at;
    if (sign == '-') {
      while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
        at++;
      }
    } else if (block && sign != '+' && at < source.length() && source.charAt(at) == '\n') {
      at++;
    }
    lose(source.substring(from, at));
    lineStart = at > from && source.charAt(at - 1) == '\n';
  }

  private static long lines(String text) {
    return text.chars().filter(c -> c == '\n').count();
  }

  private void lose(String text) {
    lost += (int) lines(text);
  }

  private void add(Kind kind, String body) {
    if (kind != Kind.DATA || !body.isEmpty()) {
      // lines lost inside or behind this token were counted already: they go to the next one
      tokens.add(new Token(kind, body, kind == Kind.DATA ? 0 : lost));
      lost = kind == Kind.DATA ? lost : 0;
    }
  }

  private String write() {
    StringBuilder out = new StringBuilder();
    Deque<String> open = new ArrayDeque<>(); // the variable of a rewritten for, or ""
    for (int i = 0; i < tokens.size(); i++) {
      Token token = tokens.get(i);
      String gap = " " + "\n".repeat(token.lost);
      switch (token.kind) {
        case DATA -> out.append(literal(token.body));
        case PRINT ->
            out.append("{{")
                .append(gap)
                .append('(')
                .append(expression(token.body))
                .append(")|" + Jinja.PRINT + " }}");
        case TAG -> {
          out.append("{%").append(gap);
          switch (token.word()) {
            case "for" -> {
              String list = "for__" + i;
              boolean otherwise = hasElse(i);
              open.push(otherwise ? list : "");
              out.append(loop(token.body, list, otherwise));
            }
            case "if", "macro", "call" -> {
              open.push("");
              out.append(expression(token.body));
            }
            case "else" -> {
              String list = open.isEmpty() ? "" : open.peek();
              out.append(list.isEmpty() ? "else" : "endfor %}{% if (" + list + "|length) == 0");
            }
            case "endfor" -> out.append(close(open).isEmpty() ? "endfor" : "endif");
            case "endif", "endmacro", "endcall" -> {
              close(open);
              out.append(token.body);
            }
            default -> out.append(expression(token.body));
          }
          out.append(" %}");
        }
      }
    }
    return out.toString();
  }

  private static String close(Deque<String> open) {
    if (open.isEmpty()) {
      throw new TextException("an {% end… %} closes nothing");
    }
    return open.pop();
  }

  /** Whether the loop that begins at token {@code i} has a branch for an empty list. */
  private boolean hasElse(int i) {
    int depth = 0;
    for (int j = i + 1; j < tokens.size(); j++) {
      switch (tokens.get(j).word()) {
        case "for", "if" -> depth++;
        case "endif" -> depth--;
        case "endfor" -> {
          if (depth-- == 0) {
            return false;
          }
        }
        case "else" -> {
          if (depth == 0) {
            return true;
          }
        }
        default -> {}
      }
    }
    return false;
  }

  private static String loop(String body, String list, boolean otherwise) {
    Matcher m = FOR.matcher(body);
    if (!m.matches()) {
      throw new TextException("expected {% for NAME in LIST %}, found {% " + body + " %}");
    }
    String name = m.group(1);
    String rest = expression(m.group(2));
    int condition = topLevelIf(rest);
    if (condition < 0 && !otherwise) {
      return "for " + name + " in " + rest;
    }
    if (condition < 0) {
      return "set " + list + " = (" + rest + ")|list %}{% for " + name + " in " + list;
    }
    String element = name.contains(",") ? "[" + name + "]" : name;
    return "set %s = [] %%}{%% for %s in %s %%}{%% if %s %%}{%% set _ = %s.append(%s) %%}{%% endif %%}{%% endfor %%}{%% for %s in %s"
        .formatted(
            list,
            name,
            rest.substring(0, condition),
            rest.substring(condition + 4),
            list,
            element,
            name,
            list);
  }

  private static int topLevelIf(String expression) {
    int depth = 0;
    for (int i = 0; i < expression.length(); i++) {
      char c = expression.charAt(i);
      if (c == '\'' || c == '"') {
        i = stringEnd(expression, i);
      } else if ("([{".indexOf(c) >= 0) {
        depth++;
      } else if (")]}".indexOf(c) >= 0) {
        depth--;
      } else if (depth == 0 && expression.startsWith(" if ", i)) {
        return i;
      }
    }
    return -1;
  }

  private static String expression(String body) {
    StringBuilder out = new StringBuilder();
    int from = 0;
    for (int i = 0; i <= body.length(); i++) {
      boolean string = i < body.length() && (body.charAt(i) == '\'' || body.charAt(i) == '"');
      if (string || i == body.length()) {
        out.append(
            body.substring(from, i)
                .replace("[::-1]", "." + PythonObjects.REVERSED + "()")
                .replace("}}", "} }")); // jinjava would end here
        from = i;
      }
      if (string) {
        i = Math.min(stringEnd(body, i), body.length() - 1);
        out.append(body, from, i + 1);
        from = i + 1;
      }
    }
    return out.toString();
  }

  /** Text that may not be taken for a delimiter, {@code {% raw %}}'s for one, becomes a string. */
  private static String literal(String data) {
    if (!data.contains("{{")
        && !data.contains("{%")
        && !data.contains("{#")
        && !data.endsWith("{")) {
      return data;
    }
    return "{{ '" + data.replace("\\", "\\\\").replace("'", "\\'") + "' }}";
  }

  private static String withoutStrings(String expression) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < expression.length(); i++) {
      char c = expression.charAt(i);
      out.append(c);
      if (c == '\'' || c == '"') {
        i = stringEnd(expression, i);
      }
    }
    return out.toString();
  }

  private static int stringEnd(String text, int from) {
    char quote = text.charAt(from);
    int i = from + 1;
    while (i < text.length() && text.charAt(i) != quote) {
      i += text.charAt(i) == '\\' ? 2 : 1;
    }
    return i;
  }
}
