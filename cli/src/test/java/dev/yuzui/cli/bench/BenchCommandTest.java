package dev.yuzui.cli.bench;

import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.names;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchCommandTest {
  @Test
  void jsonIsAnArrayWithLlamaBenchsFieldNames() {
    JsonNode json =
        bench("-o", "json", "-p", "8", "-n", "4", "-pg", "4,2", "-d", "0,16", "-r", "2").json();
    assertEquals(6, json.size());
    assertEquals(
        List.of("8/0/0", "0/4/0", "4/2/0", "8/0/16", "0/4/16", "4/2/16"),
        json.valueStream()
            .map(r -> r.get("n_prompt") + "/" + r.get("n_gen") + "/" + r.get("n_depth"))
            .toList());
    JsonNode row = json.get(0);
    assertTrue(
        names(row)
            .containsAll(
                List.of(
                    "build",
                    "cpu_info",
                    "backend",
                    "model_filename",
                    "model_type",
                    "model_size",
                    "model_n_params",
                    "n_prompt",
                    "n_gen",
                    "n_depth",
                    "n_batch",
                    "n_threads",
                    "test_time",
                    "avg_ns",
                    "stddev_ns",
                    "avg_ts",
                    "stddev_ts",
                    "samples_ns",
                    "samples_ts")),
        names(row).toString());
    assertEquals(2, row.get("samples_ts").size());
    assertEquals("cpu", row.get("backend").asText());
    double mean = (row.at("/samples_ts/0").asDouble() + row.at("/samples_ts/1").asDouble()) / 2;
    assertEquals(mean, row.get("avg_ts").asDouble(), 1e-9 * mean);
  }

  @Test
  void markdownIsATableThatSaysWhatIsNotTimed() {
    // the one that warms up
    CommandRun run = yuzui("bench", "-m", GGUF, "-p", "4", "-n", "2", "-d", "3", "-r", "1");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.lines().get(0).startsWith("| model | size | params |"), run.out());
    assertTrue(run.lines().get(2).contains("| pp4 @ d3 |"), run.out());
    assertTrue(run.lines().get(3).contains("| tg2 @ d3 |"), run.out());
    assertTrue(run.out().contains("Not timed: loading"), run.out());
  }

  @Test
  void csvAndJsonlHaveOneLineARow() {
    CommandRun csv = bench("-o", "csv", "-p", "4", "-n", "2", "-r", "1");
    assertEquals(3, csv.lines().size());
    assertTrue(csv.lines().getFirst().startsWith("build,cpu_info,backend,"), csv.out());
    CommandRun jsonl = bench("-o", "jsonl", "-p", "4", "-n", "2", "-r", "1");
    assertEquals(2, jsonl.lines().size());
    assertTrue(jsonl.lines().stream().allMatch(l -> l.startsWith("{") && l.endsWith("}")));
  }

  @Test
  void threadsAndBatchesAreCombined() {
    JsonNode json =
        bench("-o", "json", "-p", "4", "-n", "0", "-r", "1", "-t", "1,2", "-b", "2,4").json();
    assertEquals(
        List.of("1/2", "1/4", "2/2", "2/4"),
        json.valueStream().map(r -> r.get("n_threads") + "/" + r.get("n_batch")).toList());
  }

  @Test
  void sequencesDecodeTogetherAtADepthThatNobodyReads() {
    JsonNode json =
        bench(
                "-o",
                "json",
                "-p",
                "0",
                "-n",
                "4",
                "-d",
                "100",
                "-npl",
                "1,3",
                "-r",
                "1",
                "--assume-depth")
            .json();
    assertEquals(List.of(1, 3), json.valueStream().map(r -> r.get("n_parallel").asInt()).toList());
    JsonNode one = json.get(0).get("bytes_per_step");
    JsonNode three = json.get(1).get("bytes_per_step");
    assertTrue(json.get(0).get("depth_assumed").asBoolean());
    assertEquals(3 * one.get("cache").asLong(), three.get("cache").asLong());
    assertEquals(one.get("head"), three.get("head"));
    double touched = one.get("experts_touched").asDouble();
    assertTrue(touched > 0 && touched == Math.rint(touched), one + ": one token, K experts");
    double more = three.get("experts_touched").asDouble();
    assertTrue(more >= touched && more <= 3 * touched, three.toString());
    for (JsonNode bytes : List.of(one, three)) {
      long sum = 0;
      for (String part : List.of("dense", "shared", "experts", "head", "cache")) {
        sum += bytes.get(part).asLong();
      }
      assertEquals(sum, bytes.get("total").asLong());
    }
    double ns = json.at("/1/samples_ns/0").asDouble();
    assertEquals(3 * 4 * 1e9 / ns, json.at("/1/avg_ts").asDouble(), 1e-6 * 1e9 / ns);
  }

  @Test
  void severalSequencesAreComparedWithOne() {
    String[] args = {"-p", "0", "-n", "2", "-r", "1"};
    JsonNode json = bench(with(args, "-npl", "1,2", "-o", "json")).json();
    assertEquals(0, json.at("/0/speed_up").asDouble());
    assertEquals(
        json.at("/1/avg_ts").asDouble() / json.at("/0/avg_ts").asDouble(),
        json.at("/1/speed_up").asDouble());
    String table = bench(with(args, "-npl", "1,2")).out();
    assertTrue(table.matches("(?s).*\\| tg2 x2 \\| [\\d.]+ ± [\\d.]+, [\\d.]+ × one \\|.*"), table);
    String alone = bench(with(args, "-npl", "2")).out();
    assertTrue(alone.contains("| tg2 x2 |") && !alone.contains("× one"), alone);
  }

  @Test
  void severalBackendsTakeTurnsAndAreComparedWithTheFirst() {
    String[] args = {"-p", "4", "-n", "2", "-r", "2", "--backend", "cpu,absent,reference"};
    CommandRun run = bench(with(args, "-o", "json"));
    assertEquals("absent: not usable here: there is no such device; install one\n", run.err());
    JsonNode json = run.json();
    assertEquals(
        List.of("cpu/4/0", "reference/4/0", "cpu/0/2", "reference/0/2"),
        json.valueStream()
            .map(r -> r.get("backend").asText() + "/" + r.get("n_prompt") + "/" + r.get("n_gen"))
            .toList());
    for (int i = 0; i < 4; i++) {
      double first = json.get(i - i % 2).get("avg_ts").asDouble();
      assertEquals(
          json.get(i).get("avg_ts").asDouble() / first, json.get(i).get("ratio").asDouble());
    }
    String table = bench(args).out();
    assertTrue(table.startsWith("| model | size |") && table.contains("| t/s | over the first |"));
    assertTrue(table.matches("(?s).*\\| cpu \\|[^\n]*\\| 1.00 \\|\n.*"), table);
    String csv = bench(with(args, "-o", "csv")).out();
    assertTrue(csv.lines().findFirst().orElseThrow().contains(",ratio,"), csv);
    assertEquals(5, csv.lines().count());
    assertEquals(
        0, bench("-p", "4", "-n", "0", "-r", "1", "-o", "json").json().at("/0/ratio").asInt());
  }

  @Test
  void aDeviceStandsBehindItsBackend() {
    JsonNode json =
        bench("-p", "4", "-n", "0", "-r", "1", "--backend", "cpu:0,reference", "-o", "json").json();
    assertEquals("cpu:0", json.at("/0/device").asText());
    assertEquals("cpu", json.at("/0/backend").asText());
    for (String flags : List.of("--device cpu:0", "--bandwidth 3 -o html")) {
      CommandRun run = yuzui(("bench --backend cpu,reference " + flags).split(" "));
      assertEquals(ExitCode.USAGE, run.exitCode());
      assertTrue(run.err().contains(flags.split(" ")[0] + ": expected one"), run.err());
    }
  }

  @Test
  void moreSequencesThanAStepHoldsAreRefused() {
    CommandRun run = yuzui("bench", "-m", GGUF, "-b", "32", "-npl", "33");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(
        run.err().contains("-npl: expected at most -b, the 32 tokens of a step, found 33"),
        run.err());
  }

  @Test
  void hundredsOfSequencesMakeTextTogether() throws IOException {
    JsonNode json =
        bench("-p", "0", "-n", "2", "-r", "1", "--no-warmup", "-npl", "65,200", "-o", "json")
            .json();
    assertEquals(65, json.at("/0/n_parallel").asInt());
    assertEquals(200, json.at("/1/n_parallel").asInt());
    assertTrue(json.at("/1/avg_ts").asDouble() > 0);
  }

  @Test
  void tokensOfAFileAreReadAndMadeInTheirOrder(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("tokens");
    Files.writeString(file, "1 2 3 4 5 6 7 8 9 10\n11 12\n");
    var listed =
        new BenchTokens.Listed("tokens", new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    assertArrayEquals(
        new int[][] {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}},
        listed.of(new SplittableRandom(1), 100, 2, 5));
    String[] test = {"-p", "4", "-n", "2", "-d", "2", "-r", "1", "--tokens", file.toString()};
    assertEquals(2, bench(with(test, "-o", "json")).json().size());
    List<String> alone = List.of("bench", "-m", GGUF, "--no-warmup");
    for (List<String> wrong : List.of(List.of("-npl", "4"), List.of("-d", "99"))) {
      List<String> args = new ArrayList<>(alone);
      args.addAll(List.of(with(test, wrong.toArray(String[]::new))));
      CommandRun run = yuzui(args.toArray(String[]::new));
      assertEquals(ExitCode.USAGE, run.exitCode(), wrong + ": " + run.err());
      assertTrue(run.err().contains("--tokens " + file), run.err());
    }
  }

  @Test
  void randomTokensAreOthersForEverySequence() {
    int[][] tokens = BenchTokens.RANDOM.of(new SplittableRandom(1), 1000, 2, 50);
    assertFalse(Arrays.equals(tokens[0], tokens[1]));
    for (int[] of : tokens) {
      assertTrue(Arrays.stream(of).allMatch(id -> id >= 0 && id < 1000));
      assertTrue(Arrays.stream(of).distinct().count() > 40);
    }
  }

  @Test
  void theDeviationIsThatOfASample() {
    assertEquals(2, BenchRow.mean(List.of(1, 2, 3)));
    assertEquals(1, BenchRow.stddev(List.of(1, 2, 3)));
    assertEquals(0, BenchRow.stddev(List.of(5)));
  }

  private static String[] with(String[] some, String... more) {
    return Stream.concat(Arrays.stream(some), Arrays.stream(more)).toArray(String[]::new);
  }

  private static CommandRun bench(String... more) {
    List<String> args = new ArrayList<>(List.of("bench", "-m", GGUF, "--no-warmup"));
    args.addAll(List.of(more));
    CommandRun run = yuzui(args.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run;
  }
}
