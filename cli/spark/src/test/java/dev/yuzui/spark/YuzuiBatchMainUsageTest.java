package dev.yuzui.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.io.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.spark.SparkException;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code spark-submit} runs, with tasks in this JVM. */
class YuzuiBatchMainUsageTest {
  private static final String DEMO = PlainDemo.copy();

  private static SparkSession spark;

  @TempDir private Path folder;
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();

  @BeforeAll
  static void begin() {
    spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "localhost")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .getOrCreate();
  }

  @AfterAll
  static void end() {
    spark.stop();
    YuzuiBatch.closeEngines();
  }

  @BeforeEach
  void write() throws IOException {
    Files.createDirectories(in());
    Files.write(
        in().resolve("part-0.jsonl"),
        List.of(
            "{\"custom_id\":\"a\",\"prompt\":\"Once\"}",
            " \t ",
            "{\"custom_id\":\"b\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"Once\"}}",
            "{\"custom_id\":\"c\",\"url\":\"/v1/embeddings\",\"body\":{\"input\":\"Once\"}}"));
  }

  private Path in() {
    return folder.resolve("in");
  }

  private Path out() {
    return folder.resolve("out");
  }

  private int run(String... more) {
    return run(Asking.OF_ENGINE, more);
  }

  private int run(Asking asking, String... more) {
    List<String> args =
        new ArrayList<>(List.of("--in", in().toString(), "--out", out().toString()));
    args.addAll(List.of("-t", "1", "--device", "cpu:0", "--max-num-seqs", "2"));
    args.addAll(List.of(more));
    if (!args.contains("-m")) {
      args.addAll(List.of("-m", DEMO));
    }
    said.reset();
    return YuzuiBatchMain.run(
        asking, new PrintStream(said, true, StandardCharsets.UTF_8), args.toArray(String[]::new));
  }

  private String said() {
    return said.toString(StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          --temp -1              | --temp: expected
          --temp NaN             | --temp: expected
          -n -5                  | -n: expected a count, or -1 for all, found -5
          -c -1                  | -c: expected 0 or more, found -1
          -b -1                  | -b: expected 0 or more, found -1
          --cache-pages -1       | --cache-pages: expected 0 or more, found -1
          --partitions -3        | --partitions: expected 0 or more, found -3
          --files-per-batch 0    | --files-per-batch: expected 1 or more, found 0
          --source prompt        | --source: expected --format parquet beside it, found prompt, and jsonl
          --column text          | --column: expected --format parquet beside it, found text, and jsonl
          --id n                 | --id: expected --format parquet beside it, found n, and jsonl
          --format parquet       | --in: expected files of parquet, found
          """)
  void whatIsRefusedLeavesNoTrace(String flags, String message) {
    assertEquals(YuzuiBatchMain.USAGE, run(flags.split(" ")), said());
    assertTrue(said().startsWith("yuzui-spark: "), said());
    assertTrue(said().contains(message), said());
    assertFalse(Files.exists(out()), "nothing was begun");
  }

  @Test
  void anInputOrAModelThatIsNotThereIsNamed() throws IOException {
    Files.move(in(), folder.resolve("elsewhere"));
    assertEquals(YuzuiBatchMain.USAGE, run());
    assertEquals(
        "yuzui-spark: --in: expected a folder of requests, found "
            + in()
            + ", which does not exist\n",
        said());
    Files.move(folder.resolve("elsewhere"), in());
    assertEquals(YuzuiBatchMain.USAGE, run("-m", folder.resolve("none.gguf").toString()));
    assertTrue(said().contains("none.gguf"), said());
    assertFalse(Files.exists(out()));
  }

  @Test
  void linesAreAnsweredAsABatchsAndBlankOnesAreNone() throws IOException {
    assertEquals(YuzuiBatchMain.DONE, run("-n", "4", "-c", "64"), said());
    Map<String, JsonNode> rows = new TreeMap<>();
    try (Stream<Path> files = Files.list(out())) {
      for (Path file : files.filter(f -> f.toString().endsWith(".json")).toList()) {
        for (String line : Files.readAllLines(file)) {
          JsonNode row = Json.mapper().readTree(line);
          rows.put(row.get("custom_id").asText(), row.get("response"));
        }
      }
    }
    assertEquals(List.of("a", "b", "c"), List.copyOf(rows.keySet()));
    assertEquals(rows.get("a").get("text"), rows.get("b").get("text"), "there is no template");
    assertEquals(4, rows.get("b").at("/usage/completion_tokens").asInt());
    assertEquals("mismatched_url", rows.get("c").at("/error/code").asText());

    Path manifest = out().resolve("_yuzui/manifest.json");
    assertFalse(Json.mapper().readTree(manifest.toFile()).get("yuzui").asText().isEmpty());
    assertEquals(YuzuiBatchMain.USAGE, run("--resume", "-n", "5", "-c", "64"));
    assertTrue(said().contains("found -n \"5\" (\"4\" then); give the same"), said());
    assertEquals(YuzuiBatchMain.DONE, run("--resume", "-n", "4", "-c", "64"), said());
    for (String other : List.of("{\"format\":", "{}", "")) {
      Files.writeString(manifest, other);
      assertEquals(YuzuiBatchMain.USAGE, run("--resume", "-n", "4", "-c", "64"));
      assertTrue(
          said().contains("manifest.json, which says what the rows are made with, found no such"),
          said());
    }
  }

  @Test
  void aJobThatFailsSaysWhyAndNothingElse() {
    int code = run(YuzuiBatchMainUsageTest::unplugged, "-n", "4", "-c", "64");
    assertEquals(YuzuiBatchMain.FAILED, code);
    assertEquals("yuzui-spark: IllegalStateException: somebody pulled the plug\n", said());
  }

  private static Generation unplugged(Engine engine, GenerateRequest request) {
    throw new IllegalStateException("somebody pulled the plug");
  }

  @Test
  void whereInTheCodeIsLeftToTheLogs() {
    String lost =
        "Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times, most recent failure:"
            + " Lost task 0.3 in stage 1.0 (TID 7): java.lang.Error: gone";
    assertEquals(
        "SparkException: " + lost,
        YuzuiBatchMain.first(
            new IllegalStateException(
                new SparkException(lost + "\n\tat a.B.c(B.java:1)\n\nDriver stacktrace:"))));
  }
}
