package dev.yuzui.grammar;

import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** Sets of characters by the names that {@code \p{…}} has for them. */
final class UnicodeProperties {
  private UnicodeProperties() {}

  /** {@code L}, {@code Letter}, {@code Script=Greek}, {@code Alphabetic}. */
  static Optional<Charset> named(String name) {
    String java =
        switch (name) {
          case "Letter" -> "L";
          case "Lowercase_Letter" -> "Ll";
          case "Uppercase_Letter" -> "Lu";
          case "Mark" -> "M";
          case "Number" -> "N";
          case "Decimal_Number" -> "Nd";
          case "Punctuation" -> "P";
          case "Symbol" -> "S";
          case "Separator" -> "Z";
          case "Other" -> "C";
          case "Alphabetic", "Lowercase", "Uppercase", "White_Space", "Ideographic", "Emoji" ->
              "Is" + name;
          default ->
              name.replaceFirst("^(Script|sc)=", "Is").replaceFirst("^(General_Category|gc)=", "");
        };
    Predicate<String> has;
    try {
      has = Pattern.compile("\\p{" + java + "}").asMatchPredicate();
    } catch (PatternSyntaxException _) {
      return Optional.empty();
    }
    Charset result = Charset.NONE;
    int from = -1;
    for (int c = 0; c <= Charset.LAST + 1; c++) {
      boolean inside = c <= Charset.LAST && has.test(Character.toString(c));
      if (inside && from < 0) {
        from = c;
      } else if (!inside && from >= 0) {
        result = result.or(Charset.range(from, c - 1));
        from = -1;
      }
    }
    return Optional.of(result);
  }
}
