package dev.yuzui.cli.bench;

import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.chart.Html;
import dev.yuzui.cli.chart.LinePlot;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.io.Json;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class BenchPageTest {
  @Test
  void everyRowIsInTheTableAndInThePlotsWithTheNumbersOfTheJson() throws Exception {
    Document page =
        page("--backend", "cpu,reference", "-p", "4", "-n", "2", "-d", "0,8", "-npl", "1,2");
    JsonNode rows = Json.mapper().readTree(one(page, "script").getTextContent());
    assertEquals(12, rows.size());

    List<Element> lines = all(one(page, "tbody"), "tr");
    assertEquals(rows.size(), lines.size());
    for (int i = 0; i < rows.size(); i++) {
      List<String> cells = all(lines.get(i), "td").stream().map(Element::getTextContent).toList();
      JsonNode row = rows.get(i);
      assertEquals(row.get("backend").asText(), cells.get(3));
      assertTrue(cells.get(7).startsWith(fixed(row.get("avg_ts")) + " ± "), cells.toString());
      assertEquals(fixed(row.get("ratio")), cells.get(8));
    }

    // every text test at every depth and number of sequences is a bar or a dot
    List<String> drawn = new ArrayList<>();
    for (String shape : List.of("rect", "circle")) {
      all(page.getDocumentElement(), shape).forEach(e -> drawn.add(e.getAttribute("data-value")));
    }
    for (JsonNode row : rows) {
      assertTrue(drawn.contains(row.get("avg_ts").asText()), row.toString());
    }
  }

  @Test
  void barsAreAsLongAsTheirValues() throws Exception {
    Document page = page("--backend", "cpu,reference", "-p", "0", "-n", "2", "--bandwidth", "1,2");
    Element plot = plot(page, "Making text, tokens/s");
    List<Element> bars =
        all(plot, "rect").stream().filter(r -> r.hasAttribute("data-value")).toList();
    assertEquals(2, bars.size());
    double[] lengths =
        bars.stream().mapToDouble(b -> Double.parseDouble(b.getAttribute("width"))).toArray();
    double[] values =
        bars.stream().mapToDouble(b -> Double.parseDouble(b.getAttribute("data-value"))).toArray();
    assertEquals(values[0] / values[1], lengths[0] / lengths[1], 0.02 * values[0] / values[1]);
    assertTrue(lengths[0] <= 360 && lengths[1] <= 360);
  }

  @Test
  void theRooflineIsTheBandwidthOverTheBytesOfAStep() throws Exception {
    Document page = page("--backend", "cpu", "-p", "0", "-n", "2", "--bandwidth", "0.5");
    JsonNode row = Json.mapper().readTree(one(page, "script").getTextContent()).get(0);
    double limit = 0.5e9 / row.at("/bytes_per_step/total").asDouble();
    String text = plot(page, "Roofline: tokens/s made, and what memory allows").getTextContent();
    assertTrue(text.contains(String.format(Locale.ROOT, " of %.2f, ", limit)), text);
    assertTrue(one(page, "body").getTextContent().contains("cpu: 0.5 GB/s, as given"));
  }

  @Test
  void aPageNeedsNothingFromElsewhere() throws Exception {
    String text = text("-p", "4", "-n", "0");
    assertFalse(text.contains("src="), text);
    assertFalse(text.contains("href="), text);
    assertFalse(text.contains("@import") || text.contains("url("), text);
    assertTrue(text.contains("prefers-color-scheme: dark") && text.contains("name=\"viewport\""));
    Document page = parse(text);
    assertEquals(1, all(page.getDocumentElement(), "svg").size(), "one bar and no line of one dot");
    assertTrue(one(page, "code").getTextContent().startsWith("yuzui bench -m "));
  }

  @Test
  void requestsThatArriveHaveLinesByTheirRate() throws Exception {
    Document page =
        page("--rate", "500,1000", "--num-prompts", "2", "-p", "4", "-n", "2", "--backend", "cpu");
    assertEquals(2, all(plot(page, "Made, tokens/s"), "circle").size());
    assertEquals(2, all(one(page, "tbody"), "tr").size());
  }

  @Test
  void namesFromOutsideAreText() {
    assertEquals("&lt;b&gt; &amp; &quot;", Html.escape("<b> & \""));
    assertEquals("\"\\u003c/script\\u003e \\u0026\"", Html.script("\"</script> &\""));
  }

  @Test
  void ticksAreRound() {
    assertEquals(
        List.of(0.5, 20.0, 50.0, 2000.0),
        IntStream.of(2, 73, 200, 7000).mapToObj(LinePlot::niceStep).toList());
  }

  private static String fixed(JsonNode number) {
    return String.format(Locale.ROOT, "%.2f", number.asDouble());
  }

  private static Element plot(Document page, String title) {
    return all(page.getDocumentElement(), "svg").stream()
        .filter(svg -> svg.getAttribute("aria-label").equals(title))
        .findFirst()
        .orElseThrow();
  }

  private static Element one(Document page, String tag) {
    return all(page.getDocumentElement(), tag).getFirst();
  }

  private static List<Element> all(Element in, String tag) {
    NodeList found = in.getElementsByTagName(tag);
    return IntStream.range(0, found.getLength()).mapToObj(i -> (Element) found.item(i)).toList();
  }

  private static String text(String... more) {
    List<String> args = new ArrayList<>(List.of("bench", "-m", GGUF, "--no-warmup", "-r", "2"));
    if (List.of(more).contains("--rate")) {
      args.subList(4, 6).clear();
    }
    args.addAll(List.of("-o", "html"));
    args.addAll(List.of(more));
    CommandRun run = yuzui(args.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run.out();
  }

  private static Document page(String... more) throws Exception {
    return parse(text(more));
  }

  private static Document parse(String page) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(page)));
  }
}
