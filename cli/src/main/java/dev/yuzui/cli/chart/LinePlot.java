package dev.yuzui.cli.chart;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Lines over numbers, from 0 up.
 *
 * @param doubling whether the horizontal axis has equal steps from each number to its double
 */
public record LinePlot(String title, String xName, boolean doubling, List<Line> lines) {
  /** Colours of series; more lines begin again, and have dashes. */
  public static final int COLOURS = 6;

  private static final int WIDTH = 360;
  private static final int HEIGHT = 230;
  private static final int LEFT = 46;
  private static final int RIGHT = 16;
  private static final int TOP = 10;
  private static final int BOTTOM = 40;
  private static final int LABEL_WIDTH = 38;

  /**
   * @param series its colour
   */
  public record Line(String name, int series, List<Dot> dots) {}

  /**
   * @param spread either side of y
   */
  public record Dot(double x, double y, double spread) {}

  /** Whether there is more than one place to draw a line through. */
  public boolean worthwhile() {
    return xs().size() > 1;
  }

  private List<Double> xs() {
    return lines.stream()
        .flatMap(line -> line.dots().stream())
        .map(Dot::x)
        .distinct()
        .sorted()
        .toList();
  }

  private double place(double x) {
    return doubling ? Math.log(x) : x;
  }

  private double across(double x) {
    List<Double> xs = xs();
    double from = place(xs.getFirst());
    double to = place(xs.getLast());
    return LEFT + (place(x) - from) / (to - from) * (WIDTH - LEFT - RIGHT);
  }

  private static double down(double y, double top) {
    return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM);
  }

  public String svg() {
    double most =
        lines.stream()
            .flatMap(line -> line.dots().stream())
            .mapToDouble(dot -> dot.y() + dot.spread())
            .max()
            .orElse(1);
    double step = niceStep(most);
    double top = step * Math.max(1, Math.ceil(most / step));
    StringBuilder out = new StringBuilder();
    out.append(
        String.format(
            Locale.ROOT,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">%n",
            WIDTH,
            HEIGHT,
            Html.escape(title)));
    axes(top, step, out);
    lines.forEach(line -> draw(line, top, out));
    return out.append("</svg>\n").toString();
  }

  /** 1, 2 or 5 times a power of ten, four or five of which make {@code most}. */
  public static double niceStep(double most) {
    if (!(most > 0)) {
      return 1;
    }
    double rough = most / 4;
    double power = Math.pow(10, Math.floor(Math.log10(rough)));
    for (double factor : new double[] {1, 2, 5}) {
      if (factor * power >= rough) {
        return factor * power;
      }
    }
    return 10 * power;
  }

  private void axes(double top, double step, StringBuilder out) {
    for (int i = 0; i * step <= top * 1.0001; i++) {
      double y = down(i * step, top);
      out.append(
          String.format(
              Locale.ROOT,
              "<path d=\"M%d %.2fH%d\" class=\"grid\"/><text x=\"%d\" y=\"%.2f\""
                  + " class=\"end\">%s</text>%n",
              LEFT,
              y,
              WIDTH - RIGHT,
              LEFT - 6,
              y + 4,
              number(i * step)));
    }
    double free = Double.NEGATIVE_INFINITY;
    List<Double> shown = new ArrayList<>();
    List<Double> xs = xs();
    double last = across(xs.getLast());
    for (double x : xs) {
      // the last is always named, and none on top of another
      boolean room = across(x) >= free && across(x) <= last - LABEL_WIDTH;
      if (room || x == xs.getLast()) {
        shown.add(x);
        free = across(x) + LABEL_WIDTH;
      }
    }
    for (double x : shown) {
      out.append(
          String.format(
              Locale.ROOT,
              "<text x=\"%.2f\" y=\"%d\" class=\"middle\">%s</text>%n",
              across(x),
              HEIGHT - BOTTOM + 17,
              number(x)));
    }
    out.append(
        String.format(
            Locale.ROOT,
            "<text x=\"%d\" y=\"%d\" class=\"middle\">%s</text>%n",
            (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 5,
            Html.escape(xName)));
  }

  private void draw(Line line, double top, StringBuilder out) {
    StringBuilder path = new StringBuilder();
    for (Dot dot : line.dots()) {
      path.append(
          String.format(
              Locale.ROOT,
              "%s%.2f %.2f",
              path.isEmpty() ? "M" : "L",
              across(dot.x()),
              down(dot.y(), top)));
    }
    int colour = line.series() % COLOURS;
    out.append("<g>");
    String dashes = line.series() < COLOURS ? "" : " dashes";
    out.append("<path d=\"%s\" class=\"line l%d%s\"/>%n".formatted(path, colour, dashes));
    for (Dot dot : line.dots()) {
      double x = across(dot.x());
      if (dot.spread() > 0) {
        out.append(
            String.format(
                Locale.ROOT,
                "<path d=\"M%.2f %.2fV%.2f\" class=\"spread\"/>%n",
                x,
                down(Math.max(0, dot.y() - dot.spread()), top),
                down(dot.y() + dot.spread(), top)));
      }
      out.append(
          String.format(
              Locale.ROOT,
              "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4\" class=\"s%d\""
                  + " data-value=\"%s\"><title>%s, %s: %s</title></circle>%n",
              x,
              down(dot.y(), top),
              colour,
              dot.y(),
              Html.escape(line.name()),
              number(dot.x()),
              rate(dot.y())));
    }
    out.append("</g>\n");
  }

  /** A tick: {@code 0}, {@code 2.5}, {@code 4096}, {@code 12k}. */
  private static String number(double value) {
    return value >= 1000 && value % 100 == 0 ? trimmed(value / 1000) + "k" : trimmed(value);
  }

  private static String trimmed(double value) {
    return value == Math.rint(value)
        ? Long.toString((long) value)
        : String.format(Locale.ROOT, "%.4g", value).replaceFirst("\\.?0+$", "");
  }

  public static String rate(double value) {
    return String.format(Locale.ROOT, "%.2f", value);
  }
}
