package dev.yuzui.cli.experts;

import dev.yuzui.cli.experts.ExpertsReport.Devices;
import dev.yuzui.cli.experts.ExpertsReport.Layer;
import dev.yuzui.cli.shell.TextTable;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.io.Json;
import dev.yuzui.parallel.LayerLoad;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** How loads of experts are written. */
enum ExpertsFormat {
  TABLE {
    @Override
    String text(ExpertsReport report) {
      List<List<String>> rows = new ArrayList<>();
      List<String> head =
          new ArrayList<>(
              List.of("layer", "hottest", "max/mean", "evenness", "top tenth gets", "never used"));
      report.devices().ifPresent(_ -> head.addAll(List.of("devices: in order", "balanced")));
      rows.add(head);
      report.layers().forEach(layer -> rows.add(cells(layer)));
      return "%s: %d experts a layer, %d a token; %d tokens counted%n%n"
              .formatted(report.model(), report.experts(), report.expertsUsed(), report.tokens())
          + TextTable.of(rows)
          + report.devices().map(ExpertsFormat::summary).orElse("");
    }
  },

  JSON {
    @Override
    String text(ExpertsReport report) {
      return Json.pretty(report) + "\n";
    }
  },

  SVG {
    @Override
    String text(ExpertsReport report) {
      return new ExpertHeatMap(report).svg();
    }
  };

  static ExpertsFormat of(String name) {
    try {
      return valueOf(name.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException _) {
      throw UsageException.ofFlag("--output", "table, json or svg", "'" + name + "'");
    }
  }

  abstract String text(ExpertsReport report);

  private static List<String> cells(Layer layer) {
    LayerLoad load = layer.load();
    List<String> cells =
        new ArrayList<>(
            List.of(
                "" + layer.layer(),
                "" + load.hottest(),
                number(load.imbalance()),
                number(load.evenness()),
                String.format(Locale.ROOT, "%.1f %%", 100 * load.topShare()),
                "" + load.unused()));
    layer.placed().ifPresent(p -> cells.addAll(List.of(number(p.inOrder()), number(p.balanced()))));
    return cells;
  }

  private static String summary(Devices d) {
    return String.format(
        Locale.ROOT,
        """

        %d devices%s with %d experts each, %d of all held once more: busiest device over the mean of all
          in order   %.2f on average, %.2f at worst
          balanced   %.2f on average, %.2f at worst%s
        """,
        d.devices(),
        d.nodes() > 1 ? " on " + d.nodes() + " nodes" : "",
        d.slots(),
        d.numRedundantExperts(),
        d.inOrder().mean(),
        d.inOrder().worst(),
        d.balanced().mean(),
        d.balanced().worst(),
        d.groupsStayOnNodes()
            ? "; groups of experts stay on a node"
            : d.nodes() > 1 ? "; groups do not divide by the nodes and are spread" : "");
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.2f", value);
  }
}
