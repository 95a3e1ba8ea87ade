package dev.yuzui.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A terminal that knows line ends, the cursor's way up, and erasing to the end of a line. */
public final class Screen {
  private static final Pattern TOKEN = Pattern.compile("\033\\[(\\d*)([AK])|[\\s\\S]");

  private final List<StringBuilder> lines = new ArrayList<>(List.of(new StringBuilder()));
  private int row;
  private int column;

  private Screen() {}

  /** The lines that are seen when all of {@code output} was written. */
  public static List<String> after(String output) {
    Screen screen = new Screen();
    Matcher token = TOKEN.matcher(output);
    while (token.find()) {
      screen.take(token);
    }
    return screen.lines.stream().map(StringBuilder::toString).toList();
  }

  private void take(Matcher token) {
    switch (token.group()) {
      case "\n" -> {
        row++;
        if (row == lines.size()) {
          lines.add(new StringBuilder());
        }
      }
      case "\r" -> column = 0;
      case String s when s.endsWith("A") && s.length() > 1 ->
          row -= Integer.parseInt(token.group(1));
      case String s when s.endsWith("K") && s.length() > 1 ->
          lines.get(row).setLength(Math.min(column, lines.get(row).length()));
      case String s -> {
        StringBuilder line = lines.get(row);
        while (line.length() <= column) {
          line.append(' ');
        }
        line.setCharAt(column++, s.charAt(0));
      }
    }
  }
}
