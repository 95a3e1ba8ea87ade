package dev.yuzui.cli.experts;

import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.ExpertCounter;
import dev.yuzui.engine.Session;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.parallel.ExpertLoads;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class ExpertsCommandTest {
  @TempDir private Path folder;

  @Test
  void everyTokenCountsOnceForEachOfItsExperts() {
    JsonNode json = experts("-p", "Once upon a time", "-n", "3", "-o", "json").json();
    int tokens = "Once upon a time".length() + 1 + 3;
    assertEquals(tokens, json.get("tokens").asInt());
    assertEquals(List.of(1), layers(json), "those of the main model that have experts");
    for (JsonNode layer : json.get("layers")) {
      int visits = layer.get("tokens").valueStream().mapToInt(JsonNode::asInt).sum();
      assertEquals(tokens * json.get("experts_used").asInt(), visits);
      assertEquals(json.get("experts").asInt(), layer.get("tokens").size());
      assertEquals(visits, layer.at("/load/tokens").asInt());
    }
  }

  @Test
  void tokensThatAreMadeCountAsThoseThatAreRead() {
    RuntimeOptions options = RuntimeOptions.of(Path.of(GGUF)).withBackend("reference");
    try (Engine engine = Engine.open(options, LoadProgress.none())) {
      List<Integer> text = new ArrayList<>(List.of(256, 72));
      ExpertLoads made = count(engine, text, 5);
      try (Session session = engine.newSession()) {
        session.prefill(new int[] {256});
        int next = 72;
        for (int i = 0; i < 5; i++) {
          next = session.decodeStep(next);
          text.add(next);
        }
      }
      assertArrayEquals(count(engine, text, 0).tokens(1), made.tokens(1));
    }
  }

  @Test
  void aTextLongerThanTheContextIsReadInPieces() {
    RuntimeOptions options =
        RuntimeOptions.of(Path.of(GGUF)).withBackend("reference").withContextLength(16);
    List<Integer> text = IntStream.range(0, 40).boxed().toList();
    try (Engine engine = Engine.open(options, LoadProgress.none())) {
      ExpertLoads pieces = count(engine, text.subList(0, 16), 0);
      pieces.merge(count(engine, text.subList(16, 32), 0));
      pieces.merge(count(engine, text.subList(32, 40), 0));
      assertArrayEquals(pieces.tokens(1), count(engine, text, 0).tokens(1));
    }
  }

  private static ExpertLoads count(Engine engine, List<Integer> text, int made) {
    ExpertCounter counter = new ExpertCounter(engine);
    counter.count(text.stream().mapToInt(i -> i).toArray(), made, _ -> {});
    return counter.loads();
  }

  @Test
  void loadsAreKeptAndAdded() throws IOException {
    String file = folder.resolve("loads.json").toString();
    JsonNode first = experts("-p", "abc", "--loads", file, "-o", "json").json();
    JsonNode second = experts("-p", "abc", "--loads", file, "-o", "json").json();
    assertEquals(2 * first.get("tokens").asInt(), second.get("tokens").asInt());
    for (int e = 0; e < first.get("experts").asInt(); e++) {
      String expert = "/layers/0/tokens/" + e;
      assertEquals(2 * first.at(expert).asInt(), second.at(expert).asInt());
    }
    String before = Files.readString(Path.of(file));
    assertEquals(second, experts("--loads", file, "-o", "json").json());
    assertEquals(before, Files.readString(Path.of(file)), "shown, not changed");
  }

  @Test
  void noOtherFileIsWrittenOver() throws IOException {
    Path loads = Files.writeString(folder.resolve("thesis.txt"), "my thesis");
    Path beside = Files.writeString(folder.resolve("loads.json.new"), "mine");
    CommandRun run = experts("-p", "abc", "--loads", loads.toString());
    assertEquals(ExitCode.USAGE, run.exitCode());
    experts("-p", "abc", "--loads", folder.resolve("loads.json").toString());
    assertEquals("my thesis", Files.readString(loads));
    assertEquals("mine", Files.readString(beside));
  }

  @Test
  void loadsOfAnotherModelAreRefusedBeforeAnythingIsCounted() throws IOException {
    Path file = folder.resolve("loads.json");
    experts("-p", "abc", "--loads", file.toString());
    Files.writeString(
        file,
        Files.readString(file).replaceFirst("\"fingerprint\":\"....", "\"fingerprint\":\"0000"));
    CommandRun run = experts("-p", "abc", "--loads", file.toString());
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("--loads the loads are of another model: expected "), run.err());
  }

  @Test
  void devicesGetAsManyExpertsEachAndTheirBalanceIsTold() {
    String[] flags = {"-p", "Once upon a time", "--devices", "4", "--num-redundant-experts", "4"};
    JsonNode json = experts(with(flags, "-o", "json")).json();
    JsonNode devices = json.get("devices");
    int slots = (json.get("experts").asInt() + 4) / 4;
    assertEquals(slots, devices.get("slots").asInt());
    JsonNode placed = json.at("/layers/0/placed");
    assertEquals(4, placed.get("devices").size());
    placed.get("devices").forEach(device -> assertEquals(slots, device.size()));
    assertTrue(placed.get("balanced").asDouble() >= 1);
    assertTrue(placed.get("balanced").asDouble() <= placed.get("in_order").asDouble());
    assertEquals(placed.get("balanced"), devices.at("/balanced/worst"));

    CommandRun table = experts(flags);
    assertTrue(
        table.lines().stream()
            .anyMatch(l -> l.matches("  1 +\\d+ +\\d.*%.* \\d\\.\\d\\d +\\d\\.\\d\\d")),
        table.out());
    assertTrue(table.lines().getLast().matches("  balanced +\\d.* on average, .* at worst.*"));
  }

  @Test
  void theHeatMapHasACellForEachExpertOfEachLayer() throws Exception {
    String svg = experts("-p", "Once upon a time", "-o", "svg").out();
    JsonNode json = experts("-p", "Once upon a time", "-o", "json").json();
    Document document =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new InputSource(new StringReader(svg)));
    List<Element> rows = elements(document.getDocumentElement(), "g");
    assertEquals(json.get("layers").size(), rows.size());
    for (int i = 0; i < rows.size(); i++) {
      JsonNode layer = json.get("layers").get(i);
      long cells =
          elements(rows.get(i), "path").stream()
              .flatMapToInt(p -> p.getAttribute("d").chars())
              .filter(c -> c == 'M')
              .count();
      assertEquals(json.get("experts").asInt(), cells);
      long unused =
          elements(rows.get(i), "path").stream()
              .filter(p -> p.getAttribute("class").equals("c0"))
              .flatMapToInt(p -> p.getAttribute("d").chars())
              .filter(c -> c == 'M')
              .count();
      assertEquals(layer.at("/load/unused").asInt(), unused);
      assertEquals(
          layer.get("layer").asText(), elements(rows.get(i), "text").getFirst().getTextContent());
    }
    assertTrue(svg.contains("prefers-color-scheme: dark"));
    assertFalse(svg.contains("href") || svg.contains("@import") || svg.contains("url("), svg);
  }

  private static List<Element> elements(Element in, String tag) {
    NodeList found = in.getElementsByTagName(tag);
    return IntStream.range(0, found.getLength()).mapToObj(i -> (Element) found.item(i)).toList();
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --devices 4                                    | no text: give -p TEXT, -f FILE
          --loads no-such-file                           | --loads: expected a file, or a text to count, found no-such
          -p x --num-redundant-experts 4                 | --num-redundant-experts: expected --devices beside them
          -p x --devices 4 --num-redundant-experts 3     | expected 0 or 4, so that
          -p x --devices 4 --nodes 3                     | --nodes: expected a divisor of --devices 4, found 3
          -p x --devices 0                               | --devices
          -p x -o png                                    | --output: expected table, json or svg, found 'png'
          -p x -n 100 -c 16                              | the context holds 16
          """)
  void whatMakesNoSenseIsRefused(String flags, String message) {
    CommandRun run = experts(flags.split(" "));
    assertEquals(ExitCode.USAGE, run.exitCode(), run.out());
    assertTrue(run.err().contains(message), run.err());
  }

  private static CommandRun experts(String... flags) {
    return yuzui(with(new String[] {"experts", "-m", GGUF, "--backend", "reference"}, flags));
  }

  private static String[] with(String[] flags, String... more) {
    List<String> all = new ArrayList<>(List.of(flags));
    all.addAll(List.of(more));
    return all.toArray(String[]::new);
  }

  private static List<Integer> layers(JsonNode json) {
    return json.get("layers").valueStream().map(l -> l.get("layer").asInt()).toList();
  }
}
