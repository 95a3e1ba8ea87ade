package dev.yuzui.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * How a benchmark's rows are written; each appears when it is measured, where the format allows it.
 */
enum BenchFormat {
  MD {
    @Override
    void begin(Out out) {
      out.printNow(
          """
          | model | size | params | backend | threads | batch | test | t/s |
          | :---- | ---: | -----: | :------ | ------: | ----: | ---: | --: |
          """);
    }

    @Override
    void row(Out out, BenchRow r, boolean first) {
      out.printNow(
          String.format(
              Locale.ROOT,
              "| %s | %s | %s | %s | %d | %d | %s | %.2f ± %.2f |%n",
              r.modelType(),
              Texts.bytes(r.modelSize()),
              Texts.count(r.modelNParams()),
              r.backend(),
              r.nThreads(),
              r.nBatch(),
              r.test(),
              r.avgTs(),
              r.stddevTs()));
    }

    @Override
    void end(Out out) {
      out.println("");
      out.println("build: " + YuzuiCommand.Version.number());
      out.println(
          "Not timed: loading, tokenising, sampling, warm-up, and reading the tokens of @ d. Decoding"
              + " includes picking the best token and reading it back.");
    }
  },

  CSV {
    @Override
    void row(Out out, BenchRow r, boolean first) {
      JsonNode node = Json.mapper().valueToTree(r);
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
    void begin(Out out) {
      out.printNow("[");
    }

    @Override
    void row(Out out, BenchRow r, boolean first) {
      out.printNow((first ? "\n" : ",\n") + Json.pretty(r));
    }

    @Override
    void end(Out out) {
      out.println("\n]");
    }
  },

  JSONL {
    @Override
    void row(Out out, BenchRow r, boolean first) {
      out.printNow(Json.compact(r) + "\n");
    }
  };

  void begin(Out out) {}

  abstract void row(Out out, BenchRow row, boolean first);

  void end(Out out) {}

  /** Every value in quotes, as llama-bench writes them. */
  private static String cell(JsonNode value) {
    String text = value.isValueNode() ? value.asText() : value.toString();
    return '"' + text.replace("\"", "\"\"") + '"';
  }
}
