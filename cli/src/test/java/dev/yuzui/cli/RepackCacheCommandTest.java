package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.Surroundings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code --repack-cache}, with the demo model. */
class RepackCacheCommandTest {
  private static final String DEMO =
      Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf").toString();

  @TempDir private Path folder;

  private CommandRun run(String... args) {
    return CommandRun.in(
        new Surroundings(Optional.empty(), folder, Set.of(), OptionalInt.empty()),
        new byte[0],
        args);
  }

  private CommandRun generate(String... more) {
    List<String> all =
        Stream.concat(
                Stream.of("generate", "-m", DEMO, "--backend", "cpu", "-p", "Once upon a time"),
                Stream.concat(Stream.of("-n", "8", "--temp", "0"), Stream.of(more)))
            .toList();
    CommandRun run = run(all.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run;
  }

  private List<Path> files(Path where) throws IOException {
    try (Stream<Path> files = Files.list(where)) {
      return files.toList();
    }
  }

  @Test
  void withoutAFolderTheUsersCacheHasIt() throws IOException {
    CommandRun without = generate();
    assertFalse(Files.exists(folder.resolve("repacked")));
    CommandRun first = generate("--repack-cache");
    Path file = files(folder.resolve("repacked")).getFirst();
    assertTrue(first.err().contains(file + ": "), first::err);
    CommandRun second = generate("--repack-cache", "-v");
    assertTrue(second.err().contains("cpu: 0 weights were repacked, "), second::err);
    assertFalse(second.err().contains("are written"), second.err());
    assertEquals(without.out(), first.out());
    assertEquals(without.out(), second.out());
  }

  @Test
  void inspectSaysWhereHowLargeAndWhetherItIsThere() throws IOException {
    String there = folder.resolve("there").toString();
    String[] inspect = {"inspect", "-m", DEMO, "--backend", "cpu", "--repack-cache", there};
    CommandRun before = run(inspect);
    assertTrue(
        before
            .out()
            .matches("(?s).*repack cache  none yet; the first start writes [\\d.]+ MiB to .*"),
        before.out() + before.err());
    generate("--repack-cache", there);
    Path file = files(Path.of(there)).getFirst();
    CommandRun after = run(inspect);
    assertTrue(
        after.out().matches("(?s).*repack cache  [\\d.]+ MiB in \\Q" + file + "\\E\n.*"),
        after.out());
    JsonNode json = run("inspect", "-m", DEMO, "--json", "--repack-cache", there).json();
    assertEquals(Files.size(file), json.at("/memory/repack_cache/0/bytes").asLong());
    Files.writeString(file, "a letter");
    assertTrue(
        run(inspect).out().contains(", made anew: start: expected \"YUZUI RP\", found"),
        run(inspect).out());
  }

  @Test
  void withoutTheFlagInspectSaysWhatIsInTheUsersCache() {
    String[] inspect = {"inspect", "-m", DEMO, "--backend", "cpu"};
    assertFalse(run(inspect).out().contains("repack cache"));
    generate("--repack-cache");
    assertTrue(run(inspect).out().contains(", with --repack-cache\n"), run(inspect).out());
  }

  @Test
  void whatCannotBeMeantIsRefused() throws IOException {
    CommandRun both =
        run("generate", "-m", DEMO, "-p", "a", "--no-repack", "--repack-cache", "" + folder);
    assertEquals(ExitCode.USAGE, both.exitCode());
    assertTrue(both.err().contains("--no-repack and --repack-cache: expected one"), both.err());
    Path file = Files.writeString(folder.resolve("file"), "");
    CommandRun none = run("bench", "-m", DEMO, "--repack-cache", file.toString());
    assertEquals(ExitCode.USAGE, none.exitCode());
    assertTrue(none.err().contains("--repack-cache: expected a folder"), none.err());
  }
}
