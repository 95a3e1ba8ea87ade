package dev.yuzui.ptx.code;

/** Takes comments out of PTX; lines stay lines. */
final class Comments {
  private Comments() {}

  static String removed(String text) {
    StringBuilder out = new StringBuilder(text.length());
    int at = 0;
    while (at < text.length()) {
      int slash = text.indexOf('/', at);
      if (slash < 0 || slash + 1 == text.length()) {
        return out.append(text, at, text.length()).toString();
      }
      out.append(text, at, slash);
      int end =
          switch (text.charAt(slash + 1)) {
            case '/' -> text.indexOf('\n', slash);
            case '*' -> text.indexOf("*/", slash) + 2;
            default -> throw new IllegalArgumentException("PTX with a stray slash");
          };
      at = end < 2 ? text.length() : end;
    }
    return out.toString();
  }
}
