package dev.yuzui.text;

/** Follows a JSON value as it comes, to see where it ends. */
final class JsonValueEnd {
  private int depth;
  private boolean text;
  private boolean escaped;
  private boolean over;

  /** What of {@code more} is still the value. */
  String inside(String more) {
    for (int i = 0; i < more.length(); i++) {
      if (over) {
        return more.substring(0, i);
      }
      read(more.charAt(i));
      if (depth < 0) {
        over = true;
        return more.substring(0, i).stripTrailing(); // a number, and the brace around it
      }
    }
    return more;
  }

  private void read(char c) {
    if (text) {
      if (escaped) {
        escaped = false;
      } else if (c == '\\') {
        escaped = true;
      } else if (c == '"') {
        text = false;
        over = depth == 0;
      }
      return;
    }
    switch (c) {
      case '"' -> text = true;
      case '{', '[' -> depth++;
      case '}', ']' -> over = --depth == 0;
      default -> {
        // part of a number or a name
      }
    }
  }
}
