package dev.yuzui.cli.compare;

import dev.yuzui.cli.compare.CompareReport.Absent;
import dev.yuzui.cli.compare.CompareReport.Baseline;
import dev.yuzui.cli.compare.CompareReport.Compared;
import dev.yuzui.cli.compare.CompareReport.Entry;
import dev.yuzui.cli.compare.CompareReport.Failed;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.TextTable;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.compare.LayerSummary;
import dev.yuzui.compare.LayerSummary.Cell;
import dev.yuzui.compare.Names;
import dev.yuzui.compare.Phase;
import dev.yuzui.compare.Reading;
import dev.yuzui.io.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** How a comparison is written. */
enum CompareFormat {
  TEXT {
    @Override
    String table(List<List<String>> rows) {
      return TextTable.of(rows);
    }
  },

  MD {
    @Override
    String table(List<List<String>> rows) {
      StringBuilder out = new StringBuilder("\n");
      for (int i = 0; i < rows.size(); i++) {
        out.append("| ").append(String.join(" | ", rows.get(i))).append(" |\n");
        if (i == 0) {
          out.append("| :--").append(" | --:".repeat(rows.get(i).size() - 1)).append(" |\n");
        }
      }
      return out.toString();
    }
  },

  JSON {
    @Override
    void print(Out out, CompareReport report) {
      record Document(
          String build, String cpuInfo, boolean withinBounds, List<? extends Entry> backends) {}
      out.println(
          Json.pretty(
              new Document(report.build(), report.processor(), report.within(), report.entries())));
    }

    @Override
    String table(List<List<String>> rows) {
      throw new IllegalStateException("JSON has no tables");
    }
  };

  static CompareFormat of(String name) {
    try {
      return valueOf(name.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException _) {
      throw UsageException.ofFlag("--output", "text, md or json", "'" + name + "'");
    }
  }

  /** Head first. */
  abstract String table(List<List<String>> rows);

  void print(Out out, CompareReport report) {
    for (Entry entry : report.entries()) {
      switch (entry) {
        case Baseline b -> {
          out.println(b.backend() + ": what the others are held to (" + b.description() + ")");
          out.println(
              "  %s, %d tokens of prompt, %d made, cache %s"
                  .formatted(b.model(), b.promptTokens(), b.decodedTokens(), b.typeKv()));
        }
        case Absent a -> out.println(a.line());
        case Failed f -> out.println(f.line());
        case Compared c -> print(out, c);
      }
    }
    out.println("");
    out.println(
        "Errors are relative to the norm; choices are the share of choices of experts that are the"
            + " same, entries that of what sparse attention looks at. ! is out of bounds.");
    for (Entry entry : report.entries()) {
      if (entry instanceof Compared c) {
        out.println(c.backend() + ": " + (c.withinBounds() ? "within bounds" : c.verdict()));
      }
    }
  }

  private void print(Out out, Compared c) {
    out.println("");
    out.println(c.backend() + " (" + c.description() + ")");
    for (Phase phase : Phase.values()) {
      List<LayerSummary> layers = c.comparison().layers(phase);
      if (!layers.isEmpty()) {
        out.println("");
        out.println(phase == Phase.PROMPT ? "prompt" : "decoding");
        List<List<String>> rows = new ArrayList<>();
        boolean sparse = layers.stream().anyMatch(layer -> layer.entries().isPresent());
        rows.add(head(sparse));
        layers.forEach(layer -> rows.add(cells(layer, c.mainLayers(), sparse)));
        out.print(table(rows));
        out.print(logits(c, phase));
      }
    }
    out.println(
        "recorded step against the same ops one by one: logits "
            + error(c.replayed().logits().relative()));
  }

  private static String logits(Compared c, Phase phase) {
    StringBuilder out = new StringBuilder("\n");
    c.comparison().agreements().stream()
        .filter(a -> a.phase() == phase)
        .forEach(
            a -> {
              Reading r = c.comparison().logits(phase, a.layer()).orElseThrow();
              out.append(
                  String.format(
                      Locale.ROOT,
                      "%slogits: own %s, largest %s, same best token %.1f %%, KL %s; same input"
                          + " %s%s%n",
                      a.layer() < c.mainLayers() ? "" : "MTP ",
                      error(r.own().relative()),
                      error(r.own().largest()),
                      100 * a.top1(),
                      error(a.kl()),
                      error(r.isolated().relative()),
                      r.within() ? "" : " !"));
            });
    return out.toString();
  }

  /**
   * @param sparse whether layers choose entries
   */
  private static List<String> head(boolean sparse) {
    List<String> head = new ArrayList<>(List.of("layer", "own: attention"));
    List<String> entries = sparse ? List.of("entries") : List.of();
    head.addAll(entries);
    head.addAll(List.of("choices", "experts", "same input: attention"));
    head.addAll(entries);
    head.addAll(List.of("choices", "weights", "experts"));
    return head;
  }

  private static List<String> cells(LayerSummary row, int mainLayers, boolean sparse) {
    List<String> cells = new ArrayList<>();
    cells.add(row.layer() < mainLayers ? "" + row.layer() : Names.layer(row.layer(), mainLayers));
    cells.add(cell(row.ownAttention()));
    cells.addAll(sparse ? List.of(same(row.ownEntries(), "")) : List.of());
    cells.add(same(row.ownChoices(), "dense"));
    cells.add(cell(row.ownExperts()));
    cells.add(cell(row.attention()));
    cells.addAll(sparse ? List.of(same(row.entries(), "")) : List.of());
    cells.add(same(row.choices(), "dense"));
    cells.add(row.weights().map(CompareFormat::cell).orElse("dense"));
    cells.add(cell(row.experts()));
    return cells;
  }

  private static String cell(Cell cell) {
    return error(cell.value()) + (cell.within() ? "" : " !");
  }

  /**
   * @param none where nothing is chosen
   */
  private static String same(Optional<Cell> missed, String none) {
    return missed
        .map(
            c ->
                String.format(
                    Locale.ROOT, "%.1f %%%s", 100 * (1 - c.value()), c.within() ? "" : " !"))
        .orElse(none);
  }

  private static String error(double value) {
    return Names.error(value);
  }
}
