package dev.yuzui.cli.bench;

import static dev.yuzui.cli.CommandRun.names;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GrammarBenchTest {
  private static final String SCHEMAS =
      """
      {"name":"a","schema":{"type":"object","properties":{"n":{"type":"integer"},"s":{"type":"string"}},"required":["n"]},"tests":[{"valid":true,"data":{"s":"é","n":12}},{"valid":false,"data":{"n":1.5}},{"valid":false,"data":{}}]}

      {"name":"b","schema":{"uniqueItems":true},"tests":[{"valid":true,"data":[1]}]}
      """;

  @TempDir Path folder;

  private Path file(String text) throws IOException {
    return Files.writeString(folder.resolve("schemas.jsonl"), text);
  }

  @Test
  void aLineASchemaWithItsTimesAndVerdicts() throws IOException {
    Path zipped = folder.resolve("schemas.jsonl.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(zipped))) {
      out.write(SCHEMAS.getBytes(StandardCharsets.UTF_8));
    }
    CommandRun run = yuzui("bench", "--grammar", zipped.toString(), "-o", "jsonl");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals(2, run.lines().size(), run.out());
    JsonNode a = Json.mapper().readTree(run.lines().get(0));
    assertEquals(
        List.of("name", "status", "reason", "compile_ms", "first_mask_ms", "mask_us", "tests"),
        names(a));
    assertEquals(List.of("n", "mean", "p50", "p99", "max"), names(a.get("mask_us")));
    assertEquals("ok", a.get("status").asText());
    assertEquals(
        "[{\"valid\":true,\"accepted\":true},{\"valid\":false,\"accepted\":false},"
            + "{\"valid\":false,\"accepted\":false}]",
        a.get("tests").toString());
    JsonNode b = Json.mapper().readTree(run.lines().get(1));
    assertEquals("refused", b.get("status").asText());
    assertTrue(b.get("reason").asText().contains("'/uniqueItems'"), b.toString());
  }

  @Test
  void theSummaryIsATable() throws IOException {
    CommandRun run = yuzui("bench", "--grammar", file(SCHEMAS).toString());
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().contains("| 2 | 1 | 1 | 0 |"), run.out());
    assertTrue(run.out().contains("| valid | 1 | 1 | 0 |"), run.out());
    assertTrue(run.out().contains("| invalid | 2 | 0 | 2 |"), run.out());
    assertTrue(run.out().contains("| first mask | 1 |"), run.out());
  }

  @Test
  void whatMeansNothingBesideItIsRefused() throws IOException {
    String path = file(SCHEMAS).toString();
    assertUsage("-n-gen", "bench", "--grammar", path, "-n", "4");
    assertUsage("-o", "bench", "--grammar", path, "-o", "csv");
    assertUsage("-m", "bench", "--grammar", path, "--synthetic", "v3-4l");
  }

  private static void assertUsage(String part, String... args) {
    CommandRun run = yuzui(args);
    assertEquals(ExitCode.USAGE, run.exitCode(), run.err());
    assertTrue(run.err().contains(part), run.err());
  }

  @Test
  void aFileThatIsNoneIsNamedWithItsLine() throws IOException {
    CommandRun broken = yuzui("bench", "--grammar", file("{\"schema\":{}}\n{").toString());
    assertEquals(ExitCode.FAILED, broken.exitCode());
    assertTrue(broken.err().contains("line 2"), broken.err());
    CommandRun none = yuzui("bench", "--grammar", folder.resolve("none").toString());
    assertEquals(ExitCode.FAILED, none.exitCode());
    assertTrue(none.err().contains("none"), none.err());
  }
}
