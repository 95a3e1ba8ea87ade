package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kills a batch of the demo model again and again, until nothing is left to do. */
class BatchKillTest {
  private static final Path DEMO = Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf");
  private static final int LINES = 40;

  @TempDir private Path folder;
  private final Random random = new Random(7);

  @BeforeEach
  void writeTheInput() throws IOException {
    assumeTrue(Files.isRegularFile(DEMO), "no seeds/demo.gguf");
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < LINES; i++) {
      lines.add(
          switch (i % 5) {
            case 0 -> "{\"prompt\":\"Story " + i + "\",\"temperature\":1,\"seed\":" + i + "}";
            case 1 -> "{not JSON " + i;
            case 2 -> "";
            default ->
                "{\"custom_id\":\"c"
                    + i
                    + "\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":[\"The "
                    + i
                    + "\",\"A\"],\"max_tokens\":"
                    + (2 + i % 7)
                    + "}}";
          });
    }
    Files.write(folder.resolve("in.jsonl"), lines);
  }

  private List<String> command(String out, String... more) {
    List<String> command = new ArrayList<>(List.of("batch", "-m", DEMO.toString()));
    command.addAll(List.of("-i", folder.resolve("in.jsonl").toString()));
    command.addAll(List.of("-o", folder.resolve(out).toString()));
    command.addAll(List.of("-n", "8", "--temp", "0", "-c", "64"));
    // in steps this small its sums do not depend on what else is in them
    command.addAll(List.of("--backend", "cpu"));
    command.addAll(List.of("--max-num-seqs", "4"));
    command.addAll(List.of(more));
    return command;
  }

  private Process start(List<String> command) throws IOException {
    List<String> line = new ArrayList<>();
    line.add(ProcessHandle.current().info().command().orElseThrow());
    line.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    line.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    line.addAll(command);
    return new ProcessBuilder(line)
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve("log").toFile())
        .start();
  }

  private static void awaitALine(Process process, Path out) throws Exception {
    long before = Files.exists(out) ? Files.size(out) : 0;
    for (int i = 0; process.isAlive() && (!Files.exists(out) || Files.size(out) == before); i++) {
      assertTrue(i < 60_000, "a line is written");
      Thread.sleep(2);
    }
  }

  /** Runs the command and kills it some time after it has written something. */
  private void runAndKill(List<String> command, Path out) throws Exception {
    Process process = start(command);
    try {
      awaitALine(process, out);
      Thread.sleep(random.nextInt(500));
    } finally {
      process.destroyForcibly().waitFor(2, TimeUnit.MINUTES);
    }
  }

  /** The lines without what depends on the time of day. */
  private List<String> results(String out) throws IOException {
    List<String> results = new ArrayList<>();
    for (String line : Files.readAllLines(folder.resolve(out))) {
      JsonNode row = Json.mapper().readTree(line);
      if (row.at("/response/body") instanceof ObjectNode body) {
        body.remove("created");
      }
      results.add(row.toString());
    }
    return results;
  }

  @Test
  void killedAtAnyMomentItGoesOnAndNoLineIsLostOrDoubled() throws Exception {
    CommandRun whole = CommandRun.yuzui(command("whole.jsonl").toArray(String[]::new));
    assertEquals(ExitCode.DONE, whole.exitCode(), whole.err());
    List<String> expected = results("whole.jsonl");
    assertEquals(LINES - LINES / 5, expected.size());

    for (boolean ordered : List.of(true, false)) {
      String name = ordered ? "ordered.jsonl" : "unordered.jsonl";
      List<String> command =
          ordered ? command(name, "--resume") : command(name, "--resume", "--unordered");
      for (int kill = 0; kill < (ordered ? 3 : 2); kill++) {
        runAndKill(command, folder.resolve(name));
      }
      int kept = Files.readAllLines(folder.resolve(name)).size();
      assertTrue(kept > 0, "some lines were written before the last kill");
      CommandRun rest = CommandRun.yuzui(command.toArray(String[]::new));
      assertEquals(ExitCode.DONE, rest.exitCode(), rest.err());
      List<String> results = results(name);
      assertEquals(
          ordered ? expected : expected.stream().sorted().toList(),
          ordered ? results : results.stream().sorted().toList());
    }
  }

  @Test
  void ctrlCEndsItWithWholeLinesAndExitCode130() throws Exception {
    Interrupts.assumeHeard();
    Path out = folder.resolve("out.jsonl");
    Process process = start(command("out.jsonl"));
    try {
      awaitALine(process, out);
      Interrupts.send(process);
      assertTrue(process.waitFor(2, TimeUnit.MINUTES), "it ended");
    } finally {
      process.destroyForcibly();
    }
    String log = Files.readString(folder.resolve("log"));
    assertEquals(ExitCode.INTERRUPTED, process.exitValue(), log);
    assertTrue(log.endsWith("interrupted; --resume goes on\n"), log);
    assertTrue(Files.readString(out).endsWith("}\n"));
  }
}
