package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.ExitCode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A model on a device that holds its weights, but not its whole context. */
class FitTest {
  private static String[] on(String command, String... args) {
    List<String> all =
        new ArrayList<>(
            List.of(
                command,
                "-m",
                FOLDER,
                "--backend",
                SmallDevice.NAME,
                "-b",
                "16",
                "--kv-cache-dtype",
                "f32"));
    all.addAll(List.of(args));
    return all.toArray(String[]::new);
  }

  private static JsonNode memory(String... args) {
    CommandRun run = yuzui(on("inspect", args));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run.json().get("memory");
  }

  @Test
  void inspectTellsHowMuchIsMissingAndWhatToChange() {
    JsonNode memory = memory("-c", "2560", "--json");
    assertFalse(memory.get("fits").asBoolean(), memory.toString());
    long needed =
        memory.get("device_weight_bytes").asLong()
            + memory.get("cache_bytes").asLong()
            + memory.get("scratch_bytes").asLong();
    assertEquals(needed - SmallDevice.BYTES, memory.get("missing_bytes").asLong());
    int largest = memory.get("largest_context").asInt();
    assertTrue(largest > 0 && largest < 2560, memory.toString());
    assertTrue(memory.at("/advice/0").asText().startsWith("-c " + largest + " or less"));

    String people = yuzui(on("inspect", "-c", "2560")).out();
    assertTrue(people.contains("MiB on small"), people);
    assertTrue(people.contains("does not fit  into 2.3 MiB free on small"), people);
    assertTrue(people.contains("-c " + largest + " or less"), people);
  }

  @Test
  void fitTakesTheLargestContextAndSaysWhich() {
    JsonNode fit = memory("--fit", "--json");
    assertTrue(fit.get("fits").asBoolean());
    assertEquals(fit.get("largest_context"), fit.get("context_length"));
    assertEquals(100, memory("--fit", "-c", "100", "--json").get("context_length").asInt());

    CommandRun run = yuzui(on("generate", "-p", "ab", "-n", "2", "--raw", "--fit"));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(
        run.err().contains("--fit: a context of " + fit.get("context_length") + " tokens, of 2560"),
        run.err());
  }

  @Test
  void whatDoesNotFitIsRefusedInOneLine() {
    CommandRun run = yuzui(on("generate", "-p", "ab", "-c", "2560"));
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains("does not fit on small: 1.4 MiB of weights, "), run.err());
    assertTrue(run.err().contains("use -c "), run.err());
  }

  @Test
  void benchLeavesOutTestsThatDoNotFit() {
    CommandRun run =
        yuzui(
            on(
                "bench",
                "-p",
                "4,2500",
                "-n",
                "0",
                "-r",
                "1",
                "--no-warmup",
                "--fit",
                "-o",
                "json"));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals(1, run.json().size());
    assertTrue(run.err().contains("leaving out a test of 2500 tokens"), run.err());
  }
}
