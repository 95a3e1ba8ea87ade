package dev.yuzui.cli.shell;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Columns for a terminal: the first to the left, the others to the right. */
public final class TextTable {
  private TextTable() {}

  /**
   * @param rows of as many cells each, head first
   */
  public static String of(List<List<String>> rows) {
    int columns = rows.getFirst().size();
    int[] widths =
        IntStream.range(0, columns)
            .map(c -> rows.stream().mapToInt(row -> row.get(c).length()).max().orElse(0))
            .toArray();
    return rows.stream()
        .map(
            row ->
                IntStream.range(0, columns)
                    .mapToObj(
                        c ->
                            (c == 0 ? "  %-" : "  %").concat(widths[c] + "s").formatted(row.get(c)))
                    .collect(Collectors.joining())
                    .stripTrailing())
        .collect(Collectors.joining("\n", "", "\n"));
  }
}
