package dev.yuzui.cli.pull;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Surroundings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code yuzui pull} and {@code -hf}, with a hub on this machine. */
class PullCommandTest {
  private static final Path DEMO = Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf");

  @TempDir private Path folder;

  private CommandRun yuzui(Map<String, String> variables, String... args) {
    Map<String, String> all = new HashMap<>(variables);
    all.putIfAbsent("HF_HUB_CACHE", folder.resolve("hub").toString());
    return CommandRun.in(
        new Surroundings(
            Optional.empty(),
            folder.resolve("yuzui"),
            Set.of(),
            OptionalInt.empty(),
            OptionalInt.empty(),
            all),
        new byte[0],
        args);
  }

  private CommandRun yuzui(TinyHub hub, String... args) {
    return yuzui(Map.of("HF_ENDPOINT", hub.endpoint()), args);
  }

  private Path snapshot() {
    return folder.resolve("hub/models--org--tiny/snapshots").resolve(TinyHub.COMMIT);
  }

  @Test
  void stdoutIsThePathOfTheModelAndStderrTheTalk() throws IOException {
    byte[] model = new byte[100_000];
    try (TinyHub hub = new TinyHub("tiny-Q8_0.gguf", model)) {
      CommandRun dry = yuzui(hub, "pull", "org/tiny", "--dry-run");
      assertEquals("    97.7 KiB  tiny-Q8_0.gguf\n", dry.out());
      assertTrue(dry.err().startsWith("97.7 KiB, of which 97.7 KiB are not in the cache"));
      assertEquals(0, hub.downloads());

      CommandRun run = yuzui(hub, "pull", "org/tiny:q8_0");
      assertEquals(ExitCode.DONE, run.exitCode(), run.err());
      assertEquals(snapshot().resolve("tiny-Q8_0.gguf") + "\n", run.out());
      assertTrue(
          run.err()
              .matches(
                  """
                  org/tiny:q8_0: 1 file, 97\\.7 KiB
                  fetched 97\\.7 KiB in \\d+\\.\\d s, .*/s
                  """),
          run.err());
      assertEquals(1, hub.downloads());

      CommandRun again = yuzui(hub, "pull", "org/tiny");
      assertEquals(run.out(), again.out());
      assertEquals("", again.err());
      assertEquals(1, hub.downloads());
    }
  }

  @Test
  void everyCommandThatTakesAFileTakesAName() throws IOException {
    assumeTrue(Files.isRegularFile(DEMO), "no seeds/demo.gguf");
    String[] rest = {"-p", "Once upon a time", "-n", "4", "--temp", "0"};
    String expected = CommandRun.yuzui(with("-m", DEMO.toString(), rest)).out();
    try (TinyHub hub = new TinyHub("demo-Q8_0.gguf", Files.readAllBytes(DEMO))) {
      CommandRun run = yuzui(hub, with("-hf", "org/tiny:Q8_0", rest));
      assertEquals(ExitCode.DONE, run.exitCode(), run.err());
      assertEquals(expected, run.out());
      for (String name : new String[] {"-hfr", "--hf-repo"}) {
        CommandRun ids = yuzui(hub, "tokenize", name, "org/tiny", "-p", "Once", "--json");
        assertTrue(ids.out().startsWith("["), ids.err());
      }
      String[] offline = with("-hf", "org/tiny:Q8_0", rest);
      assertEquals(expected, yuzui(Map.of("HF_HUB_OFFLINE", "1"), offline).out());
      CommandRun inspect = yuzui(Map.of(), "inspect", "-hf", "org/tiny", "--offline", "--json");
      assertTrue(inspect.json().get("path").asText().endsWith("demo-Q8_0.gguf"), inspect.err());
      CommandRun bench =
          yuzui(Map.of(), "bench", "-hf", "org/tiny", "--offline", "-p", "4", "-n", "0", "-r", "1");
      assertEquals(ExitCode.DONE, bench.exitCode(), bench.err());
      assertEquals(1, hub.downloads());
    }
  }

  private static String[] with(String flag, String model, String... rest) {
    String[] all = new String[rest.length + 3];
    all[0] = "generate";
    all[1] = flag;
    all[2] = model;
    System.arraycopy(rest, 0, all, 3, rest.length);
    return all;
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          pull                                 | Missing required parameter: 'ORG/NAME[:QUANT]'
          pull ../x                            | expected ORG/NAME or ORG/NAME:QUANT
          pull tiny                            | found 'tiny'
          pull hf:org/tiny                     | found 'hf:org/tiny'
          pull org/tiny --hub github           | expected huggingface or modelscope, found 'github'
          pull org/tiny --revision ../x        | --revision: expected a branch, tag or commit, found '../x'
          pull org/tiny --hf-endpoint hub.org  | --hf-endpoint: expected an address such as https://
          pull org/tiny --offline              | found none; without --offline the rest is fetched
          generate -p x -hf org/tiny --offline | a whole download of org/tiny at main, found none
          generate -p x -hf org/tiny -m x      | -m and -hf: expected one of them, found both
          bench -hf org/tiny --synthetic v2-lite | -hf and --synthetic: expected one of them
          bench -hf org/tiny -m x              | -m and -hf: expected one of them
          generate -p x -hf a/b,c/d            | -hf: expected one model, found 2
          generate -p x --revision v1          | --revision: expected -hf beside it, found none
          generate -p x -hff x                 | here use -hf ORG/NAME:QUANT
          """)
  void whatCannotBeMeantEndsWithExitCode2(String arguments, String message) {
    CommandRun run = yuzui(Map.of("HF_ENDPOINT", "http://127.0.0.1:1"), arguments.split(" "));
    assertAll(
        () -> assertEquals(ExitCode.USAGE, run.exitCode(), run.err()),
        () -> assertEquals("", run.out()),
        () -> assertTrue(run.err().contains(message), run.err()));
    assertFalse(Files.exists(folder.resolve("hub")));
  }

  @Test
  void whatFailsOutsideEndsWithExitCode1() throws IOException {
    try (TinyHub hub = new TinyHub("tiny-Q8_0.gguf", new byte[1], 1L << 60, 0)) {
      CommandRun run = yuzui(hub, "pull", "org/tiny");
      assertEquals(ExitCode.FAILED, run.exitCode());
      assertTrue(run.err().contains("expected room for 1073741824.00 GiB"), run.err());
      assertFalse(run.err().contains("fetched"), run.err());
    }
  }
}
