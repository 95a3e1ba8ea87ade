package dev.yuzui.cli.experts;

import dev.yuzui.cli.chart.Html;
import dev.yuzui.cli.experts.ExpertsReport.Layer;
import dev.yuzui.io.Texts;
import java.util.Locale;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** A picture that needs nothing beside it: a row for each layer, a cell for each expert. */
record ExpertHeatMap(ExpertsReport report) {
  private static final int LEFT = 52;
  private static final int RIGHT = 76;
  private static final int TOP = 84;
  private static final int ROW = 16;
  private static final int BOTTOM = 44;

  /** What each colour stands for: tokens of an expert, in those of the mean expert. */
  private static final String[] NAMES = {
    "none", "below ¼", "¼ to ½", "½ to 1", "1 to 2", "2 to 4", "4 and more"
  };

  private static final double[] LIMITS = {0.25, 0.5, 1, 2, 4};

  private static final String STYLE =
      """
      <style>
      :root { color-scheme: light dark; }
      svg { --paper: #fcfcfa; --ink: #1c2024; --soft: #5c656e; --rule: #1c2024; --c0: #f3b183; --c1: #eef3f8; --c2: #cfe0f1;
        --c3: #9dc3e6; --c4: #5b9bd5; --c5: #2667c9; --c6: #102f6b; background: var(--paper); }
      @media (prefers-color-scheme: dark) {
        svg { --paper: #14171a; --ink: #e8eaec; --soft: #a2abb4; --rule: #e8eaec; --c0: #8a4b20; --c1: #1b232c; --c2: #22364b;
          --c3: #2b5078; --c4: #3f7fbf; --c5: #7db8f2; --c6: #e3f1ff; }
      }
      text { fill: var(--ink); font: 12px system-ui, sans-serif; }
      .title { font-size: 16px; font-weight: 600; }
      .soft { fill: var(--soft); }
      .end { text-anchor: end; }
      .middle { text-anchor: middle; }
      .rule { stroke: var(--rule); stroke-width: 1; opacity: .45; }
      """;

  String svg() {
    StringBuilder out = new StringBuilder();
    int rows = report.layers().size();
    int height = TOP + rows * ROW + BOTTOM;
    int width = LEFT + Math.max(520, cell() * report.experts()) + RIGHT;
    out.append(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"Tokens of each expert\">%n"
            .formatted(width, height, width, height));
    out.append(STYLE);
    IntStream.range(0, NAMES.length)
        .forEach(i -> out.append(".c%d { fill: var(--c%d); }%n".formatted(i, i)));
    out.append("</style>\n");
    text(out, 16, 26, "title", "Tokens of each expert, in those of its layer's mean");
    text(
        out,
        16,
        46,
        "soft",
        String.format(
            Locale.ROOT,
            "%s; %,d tokens, %d of %d experts each",
            Texts.shorten(report.model()),
            report.tokens(),
            report.expertsUsed(),
            report.experts()));
    axis(out);
    for (int i = 0; i < rows; i++) {
      row(out, report.layers().get(i), TOP + i * ROW);
    }
    rules(out, TOP, TOP + rows * ROW);
    legend(out, TOP + rows * ROW + 18);
    return out.append("</svg>\n").toString();
  }

  /** Width of a cell. */
  private int cell() {
    return Math.clamp(1024 / report.experts(), 3, 32);
  }

  /** Where an expert's cell begins. */
  private int x(int expert) {
    return LEFT + expert * cell();
  }

  private void axis(StringBuilder out) {
    int step = 1;
    while (step * cell() < 30) {
      step *= 2;
    }
    text(out, LEFT - 8, TOP - 8, "soft end", "layer");
    for (int e = 0; e < report.experts(); e += step) {
      text(out, x(e) + cell() / 2, TOP - 8, "middle", "" + e);
    }
    text(out, x(report.experts()) + 8, TOP - 8, "soft", "max/mean");
  }

  private void row(StringBuilder out, Layer layer, int top) {
    out.append(
        String.format(
            Locale.ROOT,
            "<g><title>layer %d: expert %d has %.2f times the mean, %d have none</title>%n",
            layer.layer(),
            layer.load().hottest(),
            layer.load().imbalance(),
            layer.load().unused()));
    for (int colour = 0; colour < NAMES.length; colour++) {
      StringBuilder cells = new StringBuilder();
      for (int e = 0; e < report.experts(); e++) {
        if (colour(layer, e) == colour) {
          cells.append("M%d %dh%dv%dh-%dz".formatted(x(e), top, cell(), ROW - 1, cell()));
        }
      }
      if (!cells.isEmpty()) {
        out.append("<path class=\"c%d\" d=\"%s\"/>%n".formatted(colour, cells));
      }
    }
    text(out, LEFT - 8, top + 12, "end", "" + layer.layer());
    text(
        out,
        x(report.experts()) + 8,
        top + 12,
        "",
        String.format(Locale.ROOT, "%.2f", layer.load().imbalance()));
    out.append("</g>\n");
  }

  private static int colour(Layer layer, int expert) {
    long tokens = layer.tokens()[expert];
    if (tokens == 0) {
      return 0;
    }
    double relative = (double) tokens * layer.tokens().length / layer.load().tokens();
    return 1 + (int) DoubleStream.of(LIMITS).filter(limit -> relative >= limit).count();
  }

  /** Between the groups that the gate chooses first. */
  private void rules(StringBuilder out, int top, int bottom) {
    for (int g = 1; g < report.groups(); g++) {
      int x = x(g * report.experts() / report.groups());
      out.append("<path class=\"rule\" d=\"M%d %dV%d\"/>%n".formatted(x, top, bottom));
    }
  }

  private static void legend(StringBuilder out, int top) {
    int x = LEFT;
    for (int i = 0; i < NAMES.length; i++) {
      out.append("<path class=\"c%d\" d=\"M%d %dh12v12h-12z\"/>%n".formatted(i, x, top));
      text(out, x + 17, top + 11, "", NAMES[i]);
      x += 30 + 7 * NAMES[i].length();
    }
  }

  private static void text(StringBuilder out, int x, int y, String style, String text) {
    out.append(
        "<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>%n"
            .formatted(x, y, style, Html.escape(text)));
  }
}
