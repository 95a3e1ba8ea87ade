package dev.yuzui.cli.bench;

import dev.yuzui.cli.bench.Benchmark.Row;
import dev.yuzui.cli.chart.BarPlot;
import dev.yuzui.cli.chart.BarPlot.Bar;
import dev.yuzui.cli.chart.LinePlot;
import dev.yuzui.cli.chart.LinePlot.Dot;
import dev.yuzui.cli.chart.LinePlot.Line;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;

/** What is drawn of rows. */
final class BenchPlots {
  private final List<Row> rows;
  private final BenchLimits limits;

  BenchPlots(List<Row> rows, BenchLimits limits) {
    this.rows = rows;
    this.limits = limits;
  }

  private <R extends Row> List<R> of(Class<R> type, Predicate<R> wanted) {
    return rows.stream().filter(type::isInstance).map(type::cast).filter(wanted).toList();
  }

  // ---- bars -------------------------------------------------------------------------------------

  List<BarPlot> bars() {
    List<BarPlot> plots = new ArrayList<>();
    speed("Reading prompts, tokens/s", r -> r.nGen() == 0, plots);
    speed("Making text, tokens/s", r -> r.nPrompt() == 0, plots);
    speed("Reading, then making, tokens/s", r -> r.nPrompt() > 0 && r.nGen() > 0, plots);
    roofline(plots);
    return plots;
  }

  /** At the first depth and number of sequences: how the others change it, lines show. */
  private void speed(String title, Predicate<BenchRow> wanted, List<BarPlot> plots) {
    List<Bar> bars =
        of(BenchRow.class, wanted.and(this::shallowest).and(this::fewest)).stream()
            .map(
                r ->
                    new Bar(
                        r.test() + " · " + contender(r),
                        LinePlot.rate(r.avgTs())
                            + (r.stddevTs() > 0 ? " ± " + LinePlot.rate(r.stddevTs()) : ""),
                        r.avgTs(),
                        r.stddevTs(),
                        OptionalDouble.empty(),
                        series(r)))
            .toList();
    if (!bars.isEmpty()) {
      plots.add(new BarPlot(title, "", bars));
    }
  }

  /** Made tokens a second, and what memory allows: its bytes a second over those of a step. */
  private void roofline(List<BarPlot> plots) {
    List<Bar> bars = new ArrayList<>();
    for (BenchRow r : of(BenchRow.class, r -> r.nPrompt() == 0 && r.nGen() > 0)) {
      limits
          .of(r.setup())
          .ifPresent(
              bandwidth -> {
                double limit = bandwidth / r.bytesPerStep().total() * r.nParallel();
                bars.add(
                    new Bar(
                        r.test() + " · " + contender(r),
                        String.format(
                            Locale.ROOT,
                            "%s of %s, %.0f %%",
                            LinePlot.rate(r.avgTs()),
                            LinePlot.rate(limit),
                            100 * r.avgTs() / limit),
                        r.avgTs(),
                        0,
                        OptionalDouble.of(limit),
                        series(r)));
              });
    }
    if (!bars.isEmpty()) {
      String note =
          "The mark is the bandwidth over the bytes that a step reads at least, weights and cache. "
              + limits.text()
              + " A model that fits into the processor's caches may pass it.";
      plots.add(new BarPlot("Roofline: tokens/s made, and what memory allows", note, bars));
    }
  }

  // ---- lines ------------------------------------------------------------------------------------

  List<LinePlot> lines() {
    List<LinePlot> plots = new ArrayList<>();
    plots.add(byDepth("Reading prompts by context depth, tokens/s", r -> r.nGen() == 0));
    plots.add(byDepth("Making text by context depth, tokens/s", r -> r.nPrompt() == 0));
    plots.add(
        plot(
            "Making text by batch size, tokens/s of all",
            "sequences together",
            true,
            of(BenchRow.class, r -> r.nPrompt() == 0 && shallowest(r)),
            r -> r.test().replaceFirst(" x\\d+", "") + " · " + contender(r),
            BenchRow::nParallel,
            BenchRow::avgTs,
            BenchRow::stddevTs));
    List<RateRow> arrivals = of(RateRow.class, _ -> true);
    plots.add(byRate("Mean time to the first token, ms", arrivals, r -> r.ttft().mean()));
    plots.add(byRate("99 % have their first token after, ms", arrivals, r -> r.ttft().p99()));
    plots.add(byRate("Mean time between tokens, ms", arrivals, r -> r.itl().mean()));
    plots.add(byRate("Made, tokens/s", arrivals, RateRow::outputThroughput));
    return plots;
  }

  private LinePlot byDepth(String title, Predicate<BenchRow> wanted) {
    return plot(
        title,
        "tokens in the cache",
        false,
        of(BenchRow.class, wanted.and(this::fewest)),
        r -> r.test().replaceFirst(" @.*", "") + " · " + contender(r),
        BenchRow::nDepth,
        BenchRow::avgTs,
        BenchRow::stddevTs);
  }

  private LinePlot byRate(String title, List<RateRow> arrivals, ToDoubleFunction<RateRow> y) {
    return plot(
        title,
        "requests a second",
        false,
        arrivals,
        r -> r.test() + " · " + contender(r),
        RateRow::requestRate,
        y,
        _ -> 0);
  }

  /**
   * A line for each name. Rows whose x was drawn already are left out: they differ in what else.
   */
  private static <R extends Row> LinePlot plot(
      String title,
      String xName,
      boolean doubling,
      List<R> rows,
      Function<R, String> name,
      ToDoubleFunction<R> x,
      ToDoubleFunction<R> y,
      ToDoubleFunction<R> spread) {
    Map<String, List<Dot>> dots = new LinkedHashMap<>();
    for (R row : rows) {
      dots.computeIfAbsent(name.apply(row), _ -> new ArrayList<>())
          .add(new Dot(x.applyAsDouble(row), y.applyAsDouble(row), spread.applyAsDouble(row)));
    }
    List<Line> lines = new ArrayList<>();
    dots.forEach(
        (label, some) ->
            lines.add(
                new Line(
                    label,
                    lines.size(),
                    some.stream().sorted(Comparator.comparingDouble(Dot::x)).toList())));
    return new LinePlot(title, xName, doubling, lines);
  }

  private boolean shallowest(BenchRow row) {
    return rows.stream().noneMatch(r -> r instanceof BenchRow b && b.nDepth() < row.nDepth());
  }

  /** Of sequences. */
  private boolean fewest(BenchRow row) {
    return rows.stream()
        .noneMatch(
            r ->
                r instanceof BenchRow b
                    && b.nParallel() < row.nParallel()
                    && (b.nGen() > 0) == (row.nGen() > 0));
  }

  // ---- who is who -------------------------------------------------------------------------------

  /** The backend, and what else tells rows apart. */
  private String contender(Row row) {
    BenchSetup s = row.setup();
    return s.label()
        + told(BenchSetup::modelType, s, "")
        + told(BenchSetup::nThreads, s, " threads")
        + told(BenchSetup::nBatch, s, " a step");
  }

  /** Nothing where all rows of the backend have the same. */
  private String told(Function<BenchSetup, Object> field, BenchSetup setup, String unit) {
    long values =
        rows.stream()
            .map(Row::setup)
            .filter(s -> s.label().equals(setup.label()))
            .map(field)
            .distinct()
            .count();
    return values > 1 ? ", " + field.apply(setup) + unit : "";
  }

  private int series(Row row) {
    return rows.stream().map(this::contender).distinct().toList().indexOf(contender(row));
  }
}
