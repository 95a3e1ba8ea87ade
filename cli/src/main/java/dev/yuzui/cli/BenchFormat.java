package dev.yuzui.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.Benchmark.Row;
import dev.yuzui.cli.Benchmark.Table;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * How a benchmark's rows are written; each appears when it is measured, where the format allows it.
 */
enum BenchFormat {
  MD {
    @Override
    void begin(Out out, Table table) {
      out.printNow(table.head());
    }

    @Override
    void row(Out out, Row row, boolean first) {
      out.printNow(row.markdown() + "\n");
    }

    @Override
    void end(Out out, Table table) {
      out.println("");
      out.println("build: " + YuzuiCommand.Version.number());
      out.println(table.note());
    }
  },

  CSV {
    @Override
    void row(Out out, Row row, boolean first) {
      JsonNode node = Json.mapper().valueToTree(row);
      if (first) {
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        out.println(String.join(",", names));
      }
      out.printNow(
          StreamSupport.stream(node.spliterator(), false)
                  .map(BenchFormat::cell)
                  .collect(Collectors.joining(","))
              + "\n");
    }
  },

  JSON {
    @Override
    void begin(Out out, Table table) {
      out.printNow("[");
    }

    @Override
    void row(Out out, Row row, boolean first) {
      out.printNow((first ? "\n" : ",\n") + Json.pretty(row));
    }

    @Override
    void end(Out out, Table table) {
      out.println("\n]");
    }
  },

  JSONL {
    @Override
    void row(Out out, Row row, boolean first) {
      out.printNow(Json.compact(row) + "\n");
    }
  };

  void begin(Out out, Table table) {}

  abstract void row(Out out, Row row, boolean first);

  void end(Out out, Table table) {}

  /** Every value in quotes, as llama-bench writes them. */
  private static String cell(JsonNode value) {
    String text = value.isValueNode() ? value.asText() : value.toString();
    return '"' + text.replace("\"", "\"\"") + '"';
  }
}
