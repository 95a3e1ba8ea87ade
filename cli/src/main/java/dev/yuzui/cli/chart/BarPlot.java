package dev.yuzui.cli.chart;

import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/** Bars, each under its name: readable in the width of a phone. */
public record BarPlot(String title, String note, List<Bar> bars) {
  private static final int WIDTH = 360;
  private static final int STEP = 38;
  private static final int NAME_LENGTH = 36;

  /**
   * @param text of the value
   * @param spread either side of it
   * @param limit marked on the bar
   * @param series its colour
   */
  public record Bar(
      String name, String text, double value, double spread, OptionalDouble limit, int series) {
    double end() {
      return Math.max(value + spread, limit.orElse(0));
    }
  }

  public String svg() {
    double most = bars.stream().mapToDouble(Bar::end).max().orElse(1);
    double scale = WIDTH / (most > 0 ? most : 1);
    StringBuilder out = new StringBuilder();
    out.append(
        String.format(
            Locale.ROOT,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">%n",
            WIDTH,
            bars.size() * STEP,
            Html.escape(title)));
    for (int i = 0; i < bars.size(); i++) {
      draw(bars.get(i), i * STEP, scale, out);
    }
    return out.append("</svg>\n").toString();
  }

  private static void draw(Bar bar, int top, double scale, StringBuilder out) {
    int middle = top + 24;
    String name =
        bar.name().length() > NAME_LENGTH
            ? bar.name().substring(0, NAME_LENGTH - 1) + "…"
            : bar.name();
    out.append(
        String.format(
            Locale.ROOT,
            """
            <g><title>%s: %s</title>
            <text x="0" y="%d">%s</text><text x="%d" y="%d" class="end">%s</text>
            <rect x="0" y="%d" width="%d" height="12" class="track"/>
            <rect x="0" y="%d" width="%.2f" height="12" class="s%d" data-value="%s"/>
            """,
            Html.escape(bar.name()),
            Html.escape(bar.text()),
            top + 13,
            Html.escape(name),
            WIDTH,
            top + 13,
            Html.escape(bar.text()),
            top + 18,
            WIDTH,
            top + 18,
            bar.value() * scale,
            bar.series() % LinePlot.COLOURS,
            bar.value()));
    if (bar.spread() > 0) {
      out.append(
          String.format(
              Locale.ROOT,
              "<path d=\"M%.2f %dH%.2f\" class=\"spread\"/>%n",
              Math.max(0, bar.value() - bar.spread()) * scale,
              middle,
              (bar.value() + bar.spread()) * scale));
    }
    bar.limit()
        .ifPresent(
            limit ->
                out.append(
                    String.format(
                        Locale.ROOT,
                        "<path d=\"M%.2f %dv15\" class=\"limit\"/>%n",
                        Math.clamp(limit * scale, 1, WIDTH - 1),
                        top + 17)));
    out.append("</g>\n");
  }
}
