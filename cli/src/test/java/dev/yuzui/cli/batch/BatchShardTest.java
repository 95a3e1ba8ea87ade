package dev.yuzui.cli.batch;

import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.batch.BatchException;
import dev.yuzui.batch.BatchMerge;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A file of requests in parts, by processes that know nothing of each other. */
class BatchShardTest {
  @TempDir private Path folder;

  /** Ten lines of which the fourth is blank, the sixth no JSON, and the ninth has a taken name. */
  @BeforeEach
  void write() throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 1; i <= 10; i++) {
      lines.add("{\"prompt\":\"" + "abc".repeat(i) + "\"}");
    }
    String named =
        "{\"custom_id\":\"twice\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"a\"}}";
    lines.set(1, named);
    lines.set(3, "");
    lines.set(5, "{");
    lines.set(8, named);
    Files.write(path("in"), lines);
  }

  private Path path(String name) {
    return folder.resolve(name);
  }

  private CommandRun batch(String out, String... more) {
    List<String> args =
        new ArrayList<>(
            List.of("batch", "-m", GGUF, "-n", "4", "--temp", "0", "-i", path("in").toString()));
    args.addAll(List.of("-o", path(out).toString()));
    args.addAll(List.of(more));
    return yuzui(args.toArray(String[]::new));
  }

  private CommandRun merge(String... outs) {
    List<String> args = new ArrayList<>(List.of("batch-merge", "-i", path("in").toString(), "-o"));
    args.add(path("merged").toString());
    for (String out : outs) {
      args.add(path(out).toString());
    }
    return yuzui(args.toArray(String[]::new));
  }

  private String[] shards(int count) {
    String[] outs = IntStream.range(0, count).mapToObj(i -> "out" + i).toArray(String[]::new);
    for (int i = 0; i < count; i++) {
      CommandRun run = batch(outs[i], "--shard", i + "/" + count);
      boolean badAlone = count == 12 && (i == 5 || i == 8);
      assertEquals(badAlone ? ExitCode.FAILED : ExitCode.DONE, run.exitCode(), run.err());
    }
    return outs;
  }

  private void refused(int exitCode, String message, CommandRun run) {
    assertEquals(exitCode, run.exitCode(), run.err());
    assertTrue(run.err().contains(message), run.err());
    assertEquals("", run.out());
    assertFalse(Files.exists(path("merged")));
  }

  /** Of more shards than lines, too. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3, 12})
  void togetherTheyAreWhatOneProcessWrites(int count) throws IOException {
    assertEquals(ExitCode.DONE, batch("one").exitCode());
    List<String> outs = new ArrayList<>(List.of(shards(count)));
    Collections.reverse(outs);
    CommandRun merged = merge(outs.toArray(String[]::new));
    assertEquals(ExitCode.DONE, merged.exitCode(), merged.err());
    assertTrue(
        merged.err().contains("9 lines of " + count + " outputs: 7 answered, 2 with errors"),
        merged.err());
    assertEquals(
        withoutTimes(Files.readString(path("one"))),
        withoutTimes(Files.readString(path("merged"))));
    CommandRun again = batch("merged", "--resume");
    assertEquals(ExitCode.DONE, again.exitCode(), again.err());
  }

  @Test
  void aShardGoesOnWhereItWasKilledAndNoOtherDoes() throws IOException {
    shards(2);
    String whole = Files.readString(path("out1"));
    Files.writeString(path("out1"), whole.substring(0, whole.indexOf('\n') + 30));
    refused(
        ExitCode.FAILED,
        "3 of the 9 lines of "
            + path("in")
            + " have no result: 6, 8, 10; line 6 is one of shard 1/2",
        merge("out0", "out1"));
    assertEquals(ExitCode.DONE, batch("out1", "--shard", "01/02", "--resume").exitCode());
    assertEquals(withoutTimes(whole), withoutTimes(Files.readString(path("out1"))));
    for (String shard : List.of("0/2", "0/3")) {
      CommandRun other = batch("out1", "--shard", shard, "--resume");
      assertEquals(ExitCode.USAGE, other.exitCode());
      assertTrue(
          other.err().contains("expected results of shard " + shard + " of this input"),
          other.err());
    }
    assertEquals(ExitCode.DONE, merge("out0", "out1").exitCode());
  }

  /** When an answer was made is all that may differ. */
  private static String withoutTimes(String answers) {
    return answers.replaceAll("\"created\":\\d+", "");
  }

  @Test
  void oneShardOfOneIsTheWholeInput() {
    assertEquals(ExitCode.DONE, batch("out", "--shard", "0/1").exitCode());
    CommandRun again = batch("out", "--resume");
    assertEquals(ExitCode.DONE, again.exitCode(), again.err());
  }

  @Test
  void whatIsMissingIsNamedWithTheShardThatHasItToDo() throws IOException {
    String[] outs = shards(3);
    refused(
        ExitCode.FAILED,
        "3 of the 9 lines of "
            + path("in")
            + " have no result: 2, 5, 8; line 2 is one of shard 1/3, whose output is not given",
        merge(outs[0], outs[2]));
    List<String> lines = Files.readAllLines(path("out1"));
    Files.write(path("out1"), lines.subList(0, 2));
    refused(
        ExitCode.FAILED,
        "1 of the 9 lines of "
            + path("in")
            + " have no result: 8; line 8 is one of shard 1/3: finish "
            + path("out1")
            + " with --resume",
        merge(outs));
  }

  @Test
  void whatIsThereTwiceOrOfAnotherInputIsNamed() throws IOException {
    String[] outs = shards(2);
    refused(ExitCode.USAGE, "expected each output once", merge("out0", "out0"));
    Files.copy(path("out1"), path("copy"));
    Files.copy(path("out1.manifest.json"), path("copy.manifest.json"));
    refused(
        ExitCode.FAILED,
        "line 2 has a result in " + path("out1") + " and another in " + path("copy"),
        merge("out0", "out1", "copy"));
    List<String> lines = Files.readAllLines(path("in"));
    lines.set(0, "{\"prompt\":\"changed\"}");
    Files.write(path("in"), lines.subList(0, 9));
    CommandRun run = merge(outs);
    refused(
        ExitCode.FAILED,
        path("out0") + " has a result of another line 1 than that of " + path("in"),
        run);
    assertTrue(
        run.err()
            .contains(
                path("out1")
                    + " has a result of line 10, which "
                    + path("in")
                    + " does not have: it ends with line 9"),
        run.err());
  }

  @Test
  void othersModelsFlagsAndFilesAreRefused() throws IOException {
    shards(2);
    assertEquals(ExitCode.DONE, batch("hot", "--shard", "1/2", "--temp", "1").exitCode());
    refused(ExitCode.USAGE, "--temp 1.0 (0.0 there)", merge("out0", "hot"));
    refused(ExitCode.USAGE, "which does not exist", merge("out0", "none"));
    Files.delete(path("hot.manifest.json"));
    refused(ExitCode.USAGE, "no such file; move it back", merge("out0", "hot"));
    Files.writeString(path("out1"), "something else\n", StandardOpenOption.TRUNCATE_EXISTING);
    refused(
        ExitCode.USAGE,
        path("out1") + ": expected a file that 'yuzui batch' wrote, found something else",
        merge("out0", "out1"));
    Files.writeString(path("merged"), "");
    CommandRun there = merge("out0", "out1");
    assertEquals(ExitCode.USAGE, there.exitCode());
    assertTrue(there.err().contains("-o: expected a new file"), there.err());
  }

  @Test
  void anotherFileInTheManifestsPlaceIsLeftAsItIs() throws IOException {
    String[] outs = shards(2);
    Files.writeString(path("merged.manifest.json"), "mine");
    refused(ExitCode.USAGE, "expected room for merged.manifest.json beside it", merge(outs));
    assertEquals("mine", Files.readString(path("merged.manifest.json")));
  }

  /** The name is so long that the manifest's is none. */
  @Test
  void noOutputIsThereWithoutItsManifest() throws IOException {
    shards(2);
    Path merged = path("m".repeat(205));
    CommandRun run =
        yuzui(
            "batch-merge",
            "-i",
            path("in").toString(),
            "-o",
            merged.toString(),
            path("out0").toString(),
            path("out1").toString());
    assertEquals(ExitCode.FAILED, run.exitCode(), run.err());
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(
          List.of(), files.filter(f -> f.getFileName().toString().startsWith("mm")).toList());
    }
  }

  @Test
  void noOutputsAreRefusedInAProgram() {
    BatchException refused =
        assertThrows(
            BatchException.class, () -> new BatchMerge(path("in"), List.of(), path("merged")));
    assertEquals(
        "batch-merge: expected the outputs of the shards, found none", refused.getMessage());
  }

  @ParameterizedTest
  @CsvSource({"-,merged,out0,-i", "in,-,out0,-o", "in,merged,-,OUT"})
  void aMergeHasFilesAlone(String in, String merged, String out, String flag) {
    List<String> files =
        Stream.of(in, merged, out)
            .map(name -> name.equals("-") ? name : path(name).toString())
            .toList();
    refused(
        ExitCode.USAGE,
        flag + ": expected a file, found -; for a file of that name write ./-",
        yuzui("batch-merge", "-i", files.get(0), "-o", files.get(1), files.get(2)));
  }

  /** That is there to be fetched, or not. */
  @Test
  void aShardThatIsNoneIsRefusedBeforeAModelIsLookedFor() {
    CommandRun run =
        yuzui(
            "batch",
            "-hf",
            "nobody/nothing",
            "--offline",
            "-i",
            path("in").toString(),
            "-o",
            path("out").toString(),
            "--shard",
            "4/4");
    refused(ExitCode.USAGE, "--shard: expected I/N", run);
  }

  @ParameterizedTest
  @ValueSource(strings = {"4/4", "-1/4", "1", "0/0", "1/x"})
  void aShardThatIsNoneIsRefused(String shard) {
    CommandRun run = batch("out", "--shard", shard);
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("--shard: expected I/N, shard I of N counted from 0"), run.err());
    assertFalse(Files.exists(path("out")));
  }

  @Test
  void aStreamHasShardsToo() {
    CommandRun run =
        withInput(
            "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n{\"prompt\":\"c\"}\n",
            "batch",
            "-m",
            GGUF,
            "-i",
            "-",
            "-o",
            "-",
            "-n",
            "2",
            "--shard",
            "1/2");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals(2, run.json().get("line").asInt());
  }
}
