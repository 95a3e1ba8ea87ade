package dev.yuzui.cli.bench;

import dev.yuzui.cli.bench.Benchmark.Table;
import dev.yuzui.cli.shell.Out;

/** How a benchmark's rows are written. */
enum BenchFormat {
  MD,
  CSV,
  JSON,
  JSONL,
  HTML;

  /**
   * @param several whether backends are compared
   * @param command that was typed
   * @param limits for plots
   */
  BenchReport report(Out out, Table table, boolean several, String command, BenchLimits limits) {
    return switch (this) {
      case MD -> new BenchReport.Markdown(out, table, several);
      case CSV -> new BenchReport.Csv(out);
      case JSON -> new BenchReport.JsonArray(out);
      case JSONL -> new BenchReport.JsonLines(out);
      case HTML -> new BenchPage(out, table, several, command, limits);
    };
  }
}
