package dev.yuzui.cli.bench;

import dev.yuzui.cli.bench.Benchmark.Row;
import dev.yuzui.cli.bench.Benchmark.Table;
import dev.yuzui.cli.chart.BarPlot;
import dev.yuzui.cli.chart.Html;
import dev.yuzui.cli.chart.LinePlot;
import dev.yuzui.cli.shell.Machine;
import dev.yuzui.cli.shell.Out;
import dev.yuzui.cli.shell.Version;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** One page with plots and a table, without anything from elsewhere. */
final class BenchPage implements BenchReport {
  private final Out out;
  private final Table table;
  private final boolean several;
  private final String command;
  private final BenchLimits limits;
  private final List<Row> rows = new ArrayList<>();

  /**
   * @param command that was typed
   */
  BenchPage(Out out, Table table, boolean several, String command, BenchLimits limits) {
    this.out = out;
    this.table = table;
    this.several = several;
    this.command = command;
    this.limits = limits;
  }

  @Override
  public void row(Row row) {
    rows.add(row);
  }

  @Override
  public void endEarly() {
    if (!rows.isEmpty()) {
      end();
    }
  }

  @Override
  public void end() {
    BenchPlots plots = new BenchPlots(rows, limits);
    String date = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    out.print(
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <title>Yuzui bench</title>
        <style>
        """);
    out.print(style());
    out.print("</style>\n</head>\n<body>\n<h1>Yuzui bench</h1>\n<dl>\n");
    rows.stream().map(BenchPage::model).distinct().forEach(model -> term("model", model));
    rows.stream().map(BenchPage::backend).distinct().forEach(backend -> term("backend", backend));
    term("processor", Machine.processor());
    term("date", date);
    term("build", Version.number());
    out.print("<dt>command</dt><dd><code>" + Html.escape(command) + "</code></dd>\n</dl>\n");
    out.print("<div class=\"plots\">\n");
    plots.bars().forEach(this::print);
    plots.lines().stream().filter(LinePlot::worthwhile).forEach(this::print);
    out.print("</div>\n");
    printTable();
    out.print(
        "<script type=\"application/json\" id=\"rows\">"
            + Html.script(Json.compact(rows))
            + "</script>\n</body>\n</html>\n");
    out.flush();
  }

  private static String model(Row row) {
    BenchSetup setup = row.setup();
    return setup.modelType()
        + ", "
        + Texts.count(setup.modelNParams())
        + " parameters, "
        + Texts.bytes(setup.modelSize())
        + " ("
        + setup.modelFilename()
        + ")";
  }

  private static String backend(Row row) {
    String label = row.setup().label();
    String info = row.setup().backendInfo();
    return info.startsWith(label + ":") ? info : label + ": " + info;
  }

  private void term(String name, String text) {
    out.print("<dt>" + name + "</dt><dd>" + Html.escape(text) + "</dd>\n");
  }

  private static String style() {
    try (InputStream in = BenchPage.class.getResourceAsStream("bench.css")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void print(BarPlot plot) {
    out.print("<section>\n<h2>" + Html.escape(plot.title()) + "</h2>\n" + plot.svg());
    if (!plot.note().isEmpty()) {
      out.print("<p class=\"note\">" + Html.escape(plot.note()) + "</p>\n");
    }
    out.print("</section>\n");
  }

  private void print(LinePlot plot) {
    out.print("<section>\n<h2>" + Html.escape(plot.title()) + "</h2>\n" + plot.svg());
    out.print("<ul class=\"legend\">\n");
    for (LinePlot.Line line : plot.lines()) {
      out.print(
          "<li><i class=\"s%d\"></i>%s</li>%n"
              .formatted(line.series() % LinePlot.COLOURS, Html.escape(line.name())));
    }
    out.print("</ul>\n</section>\n");
  }

  /** The cells of the Markdown table. */
  private void printTable() {
    String[] head = table.head(several).split("\n");
    List<String> names = cells(head[0]);
    List<Boolean> numbers = cells(head[1]).stream().map(c -> c.endsWith(":")).toList();
    out.print("<section class=\"table\">\n<h2>Runs</h2>\n<div class=\"scroll\"><table>\n<thead>");
    out.print(line("th", names, numbers) + "</thead>\n<tbody>\n");
    for (Row row : rows) {
      List<String> cells = new ArrayList<>(cells(row.markdown()));
      if (several) {
        cells.add(row.ratio() > 0 ? String.format(Locale.ROOT, "%.2f", row.ratio()) : "");
      }
      out.print(line("td", cells, numbers) + "\n");
    }
    out.print("</tbody>\n</table></div>\n<p class=\"note\">" + Html.escape(table.note()));
    out.print("</p>\n</section>\n");
  }

  private static List<String> cells(String line) {
    String[] cells = line.strip().split("\\|", -1);
    return Arrays.stream(cells, 1, cells.length - 1).map(String::strip).toList();
  }

  private static String line(String tag, List<String> cells, List<Boolean> numbers) {
    return IntStream.range(0, cells.size())
        .mapToObj(
            i ->
                "<%s%s>%s</%s>"
                    .formatted(
                        tag,
                        numbers.get(i) ? " class=\"number\"" : "",
                        Html.escape(cells.get(i)),
                        tag))
        .collect(Collectors.joining("", "<tr>", "</tr>"));
  }
}
