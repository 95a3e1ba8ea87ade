package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BatchCommandTest {
  @TempDir private Path folder;

  private String file(String name, String... lines) throws IOException {
    return Files.write(folder.resolve(name), List.of(lines)).toString();
  }

  @Test
  void everyLineGetsWhatGenerateMakesOfIt() throws IOException {
    String in = file("in", "{\"prompt\":\"Hello\"}", "{\"prompt\":\"a\",\"max_tokens\":3}", "{");
    String out = folder.resolve("out").toString();
    CommandRun run = yuzui("batch", "-m", GGUF, "-i", in, "-o", out, "-n", "8", "--temp", "0");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("", run.out());
    assertTrue(run.err().contains("3 lines: 2 answered, 1 with errors"), run.err());
    List<String> rows = Files.readAllLines(Path.of(out));
    assertEquals(3, rows.size());
    JsonNode first = Json.mapper().readTree(rows.get(0));
    String alone = yuzui("generate", "-m", GGUF, "-p", "Hello", "-n", "8", "--temp", "0").out();
    assertEquals(alone, first.get("text").asText() + "\n");
    assertEquals(3, Json.mapper().readTree(rows.get(1)).at("/usage/completion_tokens").asInt());
  }

  @Test
  void standardInputAndOutputDoAsWell() {
    CommandRun run =
        withInput(
            "{\"custom_id\":\"c\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"a\",\"n\":2}}\n",
            "batch",
            "-m",
            GGUF,
            "-i",
            "-",
            "-o",
            "-",
            "-n",
            "2");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("c", run.json().get("custom_id").asText());
    assertEquals(2, run.json().at("/response/body/choices").size());
  }

  @Test
  void aPromptThatDoesNotFitIsThatLinesError() throws IOException {
    CommandRun run =
        withInput(
            "{\"prompt\":\"" + "x".repeat(70) + "\"}\n{\"prompt\":\"x\"}\n",
            "batch",
            "-m",
            GGUF,
            "-i",
            "-",
            "-o",
            "-",
            "-n",
            "2",
            "-c",
            "64");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    List<String> rows = run.lines();
    assertTrue(rows.get(0).contains("the prompt does not fit: 71 tokens"), rows.get(0));
    assertTrue(Json.mapper().readTree(rows.get(1)).has("text"), rows.get(1));
  }

  @Test
  void anOutputThatExistsIsOnlyGoneOnWithIfAsked() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}", "{\"prompt\":\"b\"}");
    String out = folder.resolve("out").toString();
    String[] args = {"batch", "-m", GGUF, "-i", in, "-o", out, "-n", "2"};
    assertEquals(ExitCode.DONE, yuzui(args).exitCode());
    String results = Files.readString(Path.of(out));
    CommandRun again = yuzui(args);
    assertEquals(ExitCode.USAGE, again.exitCode());
    assertTrue(again.err().contains("--resume"), again.err());
    CommandRun resumed = yuzui("batch", "-m", GGUF, "-i", in, "-o", out, "-n", "2", "--resume");
    assertEquals(ExitCode.DONE, resumed.exitCode(), resumed.err());
    assertTrue(resumed.err().contains("0 lines after 2 done before"), resumed.err());
    assertEquals(results, Files.readString(Path.of(out)));
  }

  @Test
  void filesThatCannotBeUsedAreNamed() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}");
    assertUsage("no-such-file", "batch", "-i", "no-such-file", "-o", "x");
    assertUsage("a folder", "batch", "-i", folder.toString(), "-o", "x");
    assertUsage("-o: expected a file", "batch", "-i", in, "-o", folder.toString());
    assertUsage("-o: expected a file", "batch", "-i", in, "-o", folder + "/no/such");
    assertUsage("--resume: expected a file", "batch", "-i", in, "-o", "-", "--resume");
  }

  private static void assertUsage(String message, String... args) {
    CommandRun run = yuzui(args);
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains(message), run.err());
  }
}
