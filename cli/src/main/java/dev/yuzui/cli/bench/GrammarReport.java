package dev.yuzui.cli.bench;

import dev.yuzui.cli.bench.GrammarMeasurement.Masks;
import dev.yuzui.cli.bench.GrammarMeasurement.Outcome;
import dev.yuzui.cli.bench.GrammarMeasurement.Row;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.Version;
import dev.yuzui.io.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What was measured of grammars: a line each, or a table of all. */
final class GrammarReport {
  private final Out out;
  private final boolean lines;
  private final List<Long> compile = new ArrayList<>();
  private final List<Long> first = new ArrayList<>();
  private final List<Long> masks = new ArrayList<>();
  private final List<Outcome> outcomes = new ArrayList<>();
  private int all;
  private int refused;
  private int failed;

  GrammarReport(Out out, boolean lines) {
    this.out = out;
    this.lines = lines;
  }

  /**
   * @param nanos of each mask
   */
  void row(Row row, List<Long> nanos) {
    if (lines) {
      out.printNow(Json.compact(row) + "\n");
    }
    all++;
    switch (row.status()) {
      case "refused" -> refused++;
      case "error" -> failed++;
      default -> {
        compile.add((long) (row.compileMs() * 1e6));
        first.add((long) (row.firstMaskMs().orElseThrow() * 1e6));
        masks.addAll(nanos);
        outcomes.addAll(row.tests());
      }
    }
  }

  void end(int vocabulary) {
    if (lines) {
      return;
    }
    out.println("| schemas | compiled | refused | errors |");
    out.println("|---:|---:|---:|---:|");
    out.println(
        "| " + all + " | " + (all - refused - failed) + " | " + refused + " | " + failed + " |");
    out.println("");
    out.println("| instances | of them | accepted | refused |");
    out.println("|---|---:|---:|---:|");
    outcomes("valid", true);
    outcomes("invalid", false);
    out.println("");
    out.println("| µs | n | mean | p50 | p99 | max |");
    out.println("|---|---:|---:|---:|---:|---:|");
    times("compile", compile);
    times("first mask", first);
    times("mask", masks);
    out.println("");
    out.println("build: " + Version.number());
    out.println(
        "vocabulary: "
            + vocabulary
            + " tokens; one thread; a mask at every token of each instance's text");
  }

  private void outcomes(String name, boolean valid) {
    List<Outcome> some = outcomes.stream().filter(o -> o.valid() == valid).toList();
    long accepted = some.stream().filter(Outcome::accepted).count();
    out.println(
        "| "
            + name
            + " | "
            + some.size()
            + " | "
            + accepted
            + " | "
            + (some.size() - accepted)
            + " |");
  }

  private void times(String name, List<Long> nanos) {
    if (nanos.isEmpty()) {
      return;
    }
    Masks m = Masks.of(nanos);
    out.println(
        String.format(
            Locale.ROOT,
            "| %s | %d | %.1f | %.1f | %.1f | %.1f |",
            name,
            m.n(),
            m.mean(),
            m.p50(),
            m.p99(),
            m.max()));
  }
}
