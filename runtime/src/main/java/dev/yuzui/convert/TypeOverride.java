package dev.yuzui.convert;

import dev.yuzui.spi.Encoding;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A type for the tensors whose names a regular expression is found in.
 *
 * @param flag as it was given, for messages
 */
public record TypeOverride(Pattern names, Encoding encoding, String flag) {
  /**
   * Reads {@code REGEX=TYPE}.
   *
   * @throws ConvertException if it is none, or the type is not one that can be written
   */
  public static TypeOverride parse(String text) {
    int equals = text.lastIndexOf('=');
    if (equals < 1) {
      throw ConvertException.expected(
          "ConvertOptions.overrides", "REGEX=TYPE, such as ffn_down=Q6_K", text);
    }
    String type = text.substring(equals + 1);
    Encoding encoding =
        writable().stream()
            .filter(e -> e.label().equalsIgnoreCase(type))
            .findFirst()
            .orElseThrow(
                () ->
                    ConvertException.expected(
                        "ConvertOptions.overrides " + text, "one of the types " + labels(), type));
    try {
      return new TypeOverride(Pattern.compile(text.substring(0, equals)), encoding, text);
    } catch (PatternSyntaxException e) {
      throw ConvertException.expected(
          "ConvertOptions.overrides " + text,
          "a regular expression before the =",
          e.getDescription() + " at character " + (e.getIndex() + 1));
    }
  }

  private static List<Encoding> writable() {
    return Encoding.all().stream().filter(e -> RowQuantizer.of(e).isPresent()).toList();
  }

  private static String labels() {
    return String.join(" ", writable().stream().map(Encoding::label).toList());
  }
}
