package dev.yuzui.cli.scale;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScaleCommandTest {
  @Test
  void predictionsStandBesideWhatWasPublished() {
    CommandRun run = yuzui("scale");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.lines().getFirst().startsWith("DeepSeek-V3, 671.0"), run.out());
    for (String devices : new String[] {"8", "16", "32", "144"}) {
      assertTrue(run.lines().stream().anyMatch(l -> l.startsWith("  " + devices + " ")), run.out());
    }
    assertTrue(run.out().contains("memory 3,000 GB/s"), run.out());
    JsonNode rows = yuzui("scale", "--json").json().get("rows");
    assertTrue(
        run.out()
            .contains(
                String.format(
                    Locale.ROOT,
                    "32,207 computed; predicted on 32 devices: %.2f times that",
                    rows.at("/2/prefill/tokens").asDouble() / 32_207)),
        run.out());
    assertTrue(
        run.out()
            .contains(
                String.format(
                    Locale.ROOT,
                    "predicted on 144 devices: %.2f times that",
                    rows.at("/3/decode/tokens").asDouble() / 14_800)),
        run.out());
  }

  @Test
  void whatDoesNotFitIsMarkedAndWhatFitsLimitsTheBatch() {
    JsonNode rows = yuzui("scale", "--json", "--devices", "8,16,144").json().get("rows");
    assertFalse(rows.at("/0/fits").asBoolean(), "nine eighths of 671 GB on 8 devices of 72");
    assertTrue(rows.at("/1/fits").asBoolean());
    assertTrue(rows.at("/1/batch").asInt() < 128);
    assertEquals(128, rows.at("/2/batch").asInt());
    CommandRun text = yuzui("scale", "--devices", "8");
    assertTrue(text.out().contains("! more than a device's memory"), text.out());
  }

  @Test
  void flagsChangeWhatIsAssumed() {
    String[] base = {"scale", "--json", "--devices", "144"};
    JsonNode slow = yuzui(base).json().at("/rows/0");
    JsonNode fast =
        yuzui("scale", "--json", "--devices", "144", "--network", "1000").json().at("/rows/0");
    assertTrue(fast.at("/prefill/tokens").asDouble() > slow.at("/prefill/tokens").asDouble());
    assertEquals("links", slow.at("/prefill/bound").asText());
    assertEquals("devices", fast.at("/prefill/bound").asText());
  }

  @Test
  void anotherModelIsPredictedWithoutPublishedFigures() {
    CommandRun run =
        yuzui("scale", "--config", FOLDER, "--devices", "4", "--num-redundant-experts", "4");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.lines().getFirst().startsWith("v3-f32, "), run.out());
    assertFalse(run.out().contains("published"), run.out());
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --devices 12                | --devices: expected at most, or a multiple of, the 8 of --node-devices, found 12
          --devices 40                | --num-redundant-experts: expected 24 or 64
          --overlap 2                 | --overlap: expected 0 to 1, found 2.0
          --imbalance 0.5             | --imbalance: expected 1 or more, found 0.5
          --network 0                 | --network: expected a number above 0, found 0.0
          --latency -1                | --latency: expected 0 or more, found -1.0
          --config no-such            | no-such
          --devices many              | --devices
          """)
  void whatMakesNoSenseIsRefused(String flags, String message) {
    CommandRun run = yuzui(("scale " + flags).split(" "));
    assertEquals(ExitCode.USAGE, run.exitCode(), run.out());
    assertTrue(run.err().contains(message), run.err());
  }
}
