package dev.yuzui.grammar;

import java.util.Optional;
import java.util.Set;

/** JSON Schema's formats as regular expressions. */
final class StringFormats {
  private static final String DATE =
      "(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)"
          + "|02-(?:0[1-9]|1\\d|2[0-8]))"
          + "|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
  private static final String TIME =
      "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";
  private static final String LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
  private static final String BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  private static final String IPV4 = BYTE + "(?:\\." + BYTE + "){3}";
  private static final String ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";

  /** Of up to 64 characters, of up to 32 with dots among them. */
  private static final String MAILBOX =
      "(?:" + ATOM + "{1,64}|" + ATOM + "(?:\\.?" + ATOM + "){0,31})";

  private static final String HEX = "%[0-9A-Fa-f]{2}";
  private static final String CHAR = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|" + HEX + ")";
  private static final String PATH = "(?:/" + CHAR + "*)*";
  private static final String TAIL = "(?:\\?(?:" + CHAR + "|[/?])*)?(?:#(?:" + CHAR + "|[/?])*)?";
  private static final String HOST =
      "(?:\\[(?:"
          + ipv6()
          + "|v[0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]"
          + "|(?:[A-Za-z0-9._~!$&'()*+,;=-]|"
          + HEX
          + ")*)";
  private static final String AUTHORITY =
      "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|" + HEX + ")*@)?" + HOST + "(?::\\d*)?";
  private static final String URI =
      "[A-Za-z][A-Za-z0-9+.-]*:(?://"
          + AUTHORITY
          + PATH
          + "|/(?:"
          + CHAR
          + "+"
          + PATH
          + ")?|"
          + CHAR
          + "+"
          + PATH
          + ")"
          + TAIL;
  private static final String UNIT = "\\d+";

  /** Those of the standard that no expression here stands for. */
  private static final Set<String> REFUSED =
      Set.of("idn-email", "idn-hostname", "iri", "iri-reference", "regex", "uri-template");

  private StringFormats() {}

  /** Of what a string of the format is as a whole; empty for names that the standard lacks. */
  static Optional<String> pattern(String format) {
    if (REFUSED.contains(format)) {
      throw new GrammarException("format '" + format + "' is not supported; leave it out");
    }
    return Optional.ofNullable(
        switch (format) {
          case "date" -> DATE;
          case "time" -> TIME;
          case "date-time" -> DATE + "[Tt]" + TIME;
          case "duration" -> duration();
          case "email" -> MAILBOX + "@(?:" + LABEL + "\\.)+[A-Za-z]{2,24}";
          case "hostname" -> LABEL + "(?:\\." + LABEL + ")*";
          case "ipv4" -> IPV4;
          case "ipv6" -> ipv6();
          case "uuid" -> "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";
          case "uri" -> URI;
          case "uri-reference" ->
              "(?:"
                  + URI
                  + "|(?://"
                  + AUTHORITY
                  + PATH
                  + "|/(?:"
                  + CHAR
                  + "+"
                  + PATH
                  + ")?|(?:(?:[A-Za-z0-9._~!$&'()*+,;=@-]|"
                  + HEX
                  + ")+"
                  + PATH
                  + ")?)"
                  + TAIL
                  + ")";
          case "json-pointer" -> "(?:/(?:[^~/]|~[01])*)*";
          case "relative-json-pointer" -> "(?:0|[1-9]\\d*)(?:#|(?:/(?:[^~/]|~[01])*)*)";
          default -> null;
        });
  }

  private static String duration() {
    String time =
        "T(?:" + UNIT + "H(?:" + UNIT + "M(?:" + UNIT + "S)?)?|" + UNIT + "M(?:" + UNIT + "S)?|"
            + UNIT + "S)";
    String date =
        "(?:" + UNIT + "Y(?:" + UNIT + "M(?:" + UNIT + "D)?)?|" + UNIT + "M(?:" + UNIT + "D)?|"
            + UNIT + "D)";
    return "P(?:" + date + "(?:" + time + ")?|" + time + "|" + UNIT + "W)";
  }

  private static String ipv6() {
    String group = "[0-9A-Fa-f]{1,4}";
    String last = "(?:" + group + ":" + group + "|" + IPV4 + ")";
    StringBuilder result = new StringBuilder("(?:(?:" + group + ":){6}" + last);
    for (int behind = 5; behind >= 0; behind--) {
      int before = 5 - behind;
      result
          .append("|")
          .append(before == 0 ? "" : "(?:(?:" + group + ":){0," + (before - 1) + "}" + group + ")?")
          .append("::")
          .append("(?:" + group + ":){" + behind + "}")
          .append(last);
    }
    return result
        .append("|(?:(?:" + group + ":){0,5}" + group + ")?::" + group)
        .append("|(?:(?:" + group + ":){0,6}" + group + ")?::)")
        .toString();
  }
}
