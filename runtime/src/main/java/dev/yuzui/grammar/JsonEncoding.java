package dev.yuzui.grammar;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How characters are written in a JSON string, each in one way: as it is where JSON allows that,
 * else by its short escape, else by {@code \\u00XX}. So one text is another's equal only if it has
 * the same bytes (save for the case of hexadecimal digits).
 */
final class JsonEncoding extends TextEncoding {
  private static final String ESCAPED = "\"\\\b\f\n\r\t";
  private static final String ESCAPES = "\"\\bfnrt";

  JsonEncoding(RegexPool pool) {
    super(pool);
  }

  @Override
  Regex find(Charset set) {
    List<Regex> parts = new ArrayList<>();
    parts.add(Utf8.regex(pool, set.and(Charset.jsonPlain())));
    for (int c : (ESCAPED + controls()).chars().toArray()) {
      if (set.contains(c)) {
        parts.add(escape(c));
      }
    }
    return pool.alt(parts);
  }

  private Regex escape(int c) {
    int at = ESCAPED.indexOf(c);
    if (at >= 0) {
      return pool.literal("\\" + ESCAPES.charAt(at));
    }
    String hex = String.format(Locale.ROOT, "\\u%04x", c);
    return pool.alt(
        pool.literal(hex), pool.literal("\\u" + hex.substring(2).toUpperCase(Locale.ROOT)));
  }

  private static String controls() {
    StringBuilder result = new StringBuilder();
    for (char c = 0; c < 0x20; c++) {
      if (ESCAPED.indexOf(c) < 0) {
        result.append(c);
      }
    }
    return result.toString();
  }
}
