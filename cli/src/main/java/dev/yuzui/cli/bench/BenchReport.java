package dev.yuzui.cli.bench;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.bench.Benchmark.Row;
import dev.yuzui.cli.bench.Benchmark.Table;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.Version;
import dev.yuzui.io.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** Writes a benchmark's rows, each when it is measured where the format allows it. */
interface BenchReport {
  void row(Row row);

  void end();

  /** Instead of {@link #end}, where a test failed: what was measured before can be read. */
  default void endEarly() {}

  final class Markdown implements BenchReport {
    private final Out out;
    private final Table table;

    /** Whether backends are compared. */
    private final boolean several;

    private boolean begun;

    Markdown(Out out, Table table, boolean several) {
      this.out = out;
      this.table = table;
      this.several = several;
    }

    private void begin() {
      if (!begun) {
        out.printNow(table.head(several));
        begun = true;
      }
    }

    @Override
    public void row(Row row) {
      begin();
      String ratio =
          row.ratio() > 0
              ? String.format(Locale.ROOT, " %.2f |", row.ratio())
              : several ? " |" : "";
      out.printNow(row.markdown() + ratio + "\n");
    }

    @Override
    public void end() {
      begin();
      out.println("");
      out.println("build: " + Version.number());
      out.println(table.note());
    }
  }

  final class Csv implements BenchReport {
    private final Out out;
    private boolean begun;

    Csv(Out out) {
      this.out = out;
    }

    @Override
    public void row(Row row) {
      JsonNode node = Json.mapper().valueToTree(row);
      if (!begun) {
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        out.println(String.join(",", names));
        begun = true;
      }
      out.printNow(
          StreamSupport.stream(node.spliterator(), false)
                  .map(Csv::cell)
                  .collect(Collectors.joining(","))
              + "\n");
    }

    /** Every value in quotes, as llama-bench writes them. */
    private static String cell(JsonNode value) {
      String text = value.isValueNode() ? value.asText() : value.toString();
      return '"' + text.replace("\"", "\"\"") + '"';
    }

    @Override
    public void end() {
      // a table of rows has no end
    }
  }

  final class JsonArray implements BenchReport {
    private final Out out;
    private boolean begun;

    JsonArray(Out out) {
      this.out = out;
    }

    @Override
    public void row(Row row) {
      out.printNow((begun ? ",\n" : "[\n") + Json.pretty(row));
      begun = true;
    }

    @Override
    public void end() {
      out.println(begun ? "\n]" : "[]");
    }

    @Override
    public void endEarly() {
      if (begun) {
        end();
      }
    }
  }

  record JsonLines(Out out) implements BenchReport {
    @Override
    public void row(Row row) {
      out.printNow(Json.compact(row) + "\n");
    }

    @Override
    public void end() {
      // nor have lines
    }
  }
}
