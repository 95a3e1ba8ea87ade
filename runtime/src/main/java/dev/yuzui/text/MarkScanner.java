package dev.yuzui.text;

import java.util.List;

/** Text that has not been read yet, and the marks that stand in it, wherever its pieces are cut. */
final class MarkScanner {
  private final StringBuilder held = new StringBuilder();
  private boolean ended;

  /** What is there to see. */
  sealed interface Look {
    /** The first mark, the longest where several begin at one place. */
    record Found(int at, String mark) implements Look {}

    /**
     * No mark yet.
     *
     * @param safe characters that can be part of none
     */
    record Nothing(int safe) implements Look {}
  }

  void push(String text) {
    held.append(text);
  }

  /** Nothing more comes: what might have become a mark does not. */
  void end() {
    ended = true;
  }

  boolean ended() {
    return ended;
  }

  boolean isEmpty() {
    return held.isEmpty();
  }

  /** All of it. */
  String peek() {
    return held.toString();
  }

  Look look(List<String> marks) {
    for (int at = 0; at < held.length(); at++) {
      String best = "";
      boolean open = false;
      for (String mark : marks) {
        int most = Math.min(mark.length(), held.length() - at);
        if (startsWith(mark, at, most)) {
          if (most < mark.length()) {
            open = !ended;
          } else if (mark.length() > best.length()) {
            best = mark;
          }
        }
      }
      if (open) {
        return new Look.Nothing(at);
      }
      if (!best.isEmpty()) {
        return new Look.Found(at, best);
      }
    }
    return new Look.Nothing(held.length());
  }

  private boolean startsWith(String mark, int at, int most) {
    for (int i = 0; i < most; i++) {
      if (held.charAt(at + i) != mark.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  String take(int n) {
    String text = held.substring(0, n);
    held.delete(0, n);
    return text;
  }

  void skipBlanks() {
    int n = 0;
    while (n < held.length() && Character.isWhitespace(held.charAt(n))) {
      n++;
    }
    held.delete(0, n);
  }

  /** How many characters the blanks at the end of the first {@code n} are. */
  int blanksBefore(int n) {
    int from = n;
    while (from > 0 && Character.isWhitespace(held.charAt(from - 1))) {
      from--;
    }
    return n - from;
  }
}
