package dev.yuzui.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.batch.Batch;
import dev.yuzui.batch.BatchListener;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.io.Json;
import dev.yuzui.openai.ServedModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What {@code spark-submit} runs, on a cluster of three executors in processes of their own. */
@Tag("long")
@EnabledOnOs(OS.LINUX)
class YuzuiBatchMainTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));
  private static final Path DEMO = ROOT.resolve("seeds/demo.gguf");
  private static final Path OTHER =
      ROOT.resolve("tests/system/src/test/resources/golden/gguf-v3-q8/model.gguf");
  private static final int FILES = 6;
  private static final int LINES = 20;
  private static final int TOKENS = 120;

  @TempDir private Path folder;
  private final List<String> requests = new ArrayList<>();

  /**
   * A request a line; one ends {@link PoisonedMain}'s executors, one does not fit, one is no JSON
   * and has no id.
   */
  @BeforeEach
  void write() throws IOException {
    Path in = Files.createDirectories(folder.resolve("in"));
    for (int file = 0; file < FILES; file++) {
      List<String> lines = new ArrayList<>();
      for (int i = 0; i < LINES; i++) {
        int number = file * LINES + i;
        String prompt =
            switch (number) {
              case 33 -> "long ".repeat(600);
              case 50 -> "Once upon a time a " + PoisonedMain.POISON;
              default -> "Once upon a time " + number;
            };
        ObjectNode line = Json.mapper().createObjectNode();
        line.put("custom_id", "r" + number).put("prompt", prompt);
        line.put("temperature", 1).put("ignore_eos", true);
        lines.add(number == 77 ? "{\"custom_id\"" : line.toString());
      }
      Files.write(in.resolve("part-" + file + ".jsonl"), lines);
      requests.addAll(lines);
    }
  }

  private Path out() {
    return folder.resolve("out");
  }

  private SparkRun run(String... more) throws IOException {
    return run(YuzuiBatchMain.class, more);
  }

  private SparkRun run(Class<?> main, String... more) throws IOException {
    List<String> args = new ArrayList<>();
    args.addAll(List.of("--in", folder.resolve("in").toString(), "--out", out().toString()));
    args.addAll(List.of("-n", "" + TOKENS, "-c", "512", "-t", "1", "--max-num-seqs", "8"));
    args.addAll(List.of("--device", "cpu:0", "--files-per-batch", "2", "--partitions", "6"));
    args.addAll(List.of(more));
    if (!args.contains("-m")) {
      args.addAll(List.of("-m", DEMO.toString()));
    }
    return new SparkRun(main, folder, 3, args.toArray(String[]::new));
  }

  /** Of the files that micro-batches committed. */
  private List<JsonNode> rows() throws IOException {
    Set<String> committed = new HashSet<>();
    try (Stream<Path> log = Files.list(out().resolve("_spark_metadata"))) {
      for (Path file : log.filter(f -> !f.getFileName().toString().startsWith(".")).toList()) {
        for (String line : Files.readAllLines(file)) {
          if (line.startsWith("{")) {
            committed.add(
                Path.of(
                        Json.mapper()
                            .readTree(line)
                            .get("path")
                            .asText()
                            .replaceFirst("^file:/*", "/"))
                    .getFileName()
                    .toString());
          }
        }
      }
    }
    List<JsonNode> rows = new ArrayList<>();
    for (String name : committed) {
      for (String line : Files.readAllLines(out().resolve(name))) {
        rows.add(Json.mapper().readTree(line));
      }
    }
    return rows;
  }

  private Map<String, byte[]> files() throws IOException {
    Map<String, byte[]> files = new TreeMap<>();
    try (Stream<Path> all = Files.list(out())) {
      for (Path file : all.filter(f -> f.toString().endsWith(".json")).toList()) {
        files.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
    }
    return files;
  }

  private boolean committed(int batches) {
    return Files.exists(out().resolve("_spark_metadata").resolve("" + (batches - 1)));
  }

  private void everyRequestIsAnsweredOnce() throws IOException {
    everyRequestIsAnsweredOnce(Optional.empty());
  }

  /**
   * @param lost the id of the one that has no answer
   */
  private void everyRequestIsAnsweredOnce(Optional<String> lost) throws IOException {
    List<JsonNode> rows = rows();
    assertEquals(requests.size(), rows.size());
    Map<String, JsonNode> byRequest = new HashMap<>();
    rows.forEach(row -> byRequest.put(row.get("request").asText(), row.get("response")));
    assertEquals(new HashSet<>(requests), byRequest.keySet());
    for (String request : requests) {
      JsonNode response = byRequest.get(request);
      if (request.contains("\"r33\"")) {
        assertTrue(
            response.at("/error/message").asText().contains("the prompt does not fit"),
            response.toString());
      } else if (lost.isPresent() && request.contains("\"" + lost.get() + "\"")) {
        assertEquals("process_lost", response.at("/error/code").asText(), response.toString());
        assertTrue(
            response
                .at("/error/message")
                .asText()
                .startsWith("custom_id " + lost.get() + ": the process of executor "),
            response.toString());
      } else if (!request.endsWith("}")) {
        assertEquals("invalid_json_line", response.at("/error/code").asText());
      } else {
        assertFalse(response.has("error"), response.toString());
        assertEquals(TOKENS, response.at("/usage/completion_tokens").asInt());
        assertEquals("length", response.get("finish_reason").asText());
      }
    }
  }

  /** The same answers as of one process that was given the ids' seeds. */
  private void answersAreThoseOfABatch() throws IOException {
    List<String> lines = new ArrayList<>();
    for (String request : requests) {
      if (request.endsWith("}") && !request.contains("\"r33\"")) {
        ObjectNode line = (ObjectNode) Json.mapper().readTree(request);
        line.put("seed", YuzuiBatch.seed(line.get("custom_id").asText()));
        lines.add(line.put("max_tokens", TOKENS).toString());
      }
    }
    Path in = Files.write(folder.resolve("batch.jsonl"), lines);
    Path answers = folder.resolve("batch.out.jsonl");
    RuntimeOptions options =
        RuntimeOptions.of(DEMO).withDevice("cpu:0").withContextLength(512).withMaxSequences(8);
    try (Engine engine = Engine.open(options, LoadProgress.none())) {
      assertTrue(
          Batch.of(in, answers)
              .run(engine, ServedModel.of(engine), BatchListener.NONE, () -> false));
    }
    Map<String, String> texts = new HashMap<>();
    for (String line : Files.readAllLines(answers)) {
      JsonNode row = Json.mapper().readTree(line);
      texts.put(row.get("custom_id").asText(), row.get("text").asText());
    }
    for (JsonNode row : rows()) {
      String id = row.path("custom_id").asText();
      Optional.ofNullable(texts.get(id))
          .filter(_ -> !row.at("/response/error/code").asText().equals("process_lost"))
          .ifPresent(text -> assertEquals(text, row.at("/response/text").asText(), id));
    }
  }

  /** One whose requests are noted to be under way. */
  private boolean killOneWithWorkInHand(SparkRun run) {
    Optional<ProcessHandle> busy =
        executorsWithNotes().stream()
            .flatMap(executor -> run.executor(executor).stream())
            .findFirst();
    busy.ifPresent(ProcessHandle::destroyForcibly);
    return busy.isPresent();
  }

  private Set<String> executorsWithNotes() {
    Set<String> executors = new HashSet<>();
    try (Stream<Path> files = Files.walk(out().resolve("_yuzui/crash/attempts"))) {
      for (Path note : files.filter(Files::isRegularFile).toList()) {
        if (note.getFileName().toString().matches("[^.].*\\.\\d+\\.\\d+")) {
          executors.add(Json.mapper().readTree(Files.readString(note)).path("executor").asText());
        }
      }
    } catch (IOException | UncheckedIOException _) {
      // they come and go
    }
    return executors;
  }

  @Test
  void anExecutorThatIsKilledCostsTimeAlone() throws Exception {
    try (SparkRun run = run()) {
      run.await(() -> committed(1));
      run.await(() -> killOneWithWorkInHand(run));
      assertEquals(0, run.exitCode(), run.log());
      assertTrue(run.log().contains("Lost task"), "it had a task:\n" + run.log());
      everyRequestIsAnsweredOnce();
      answersAreThoseOfABatch();
      List<String> logs = run.executorLogs();
      long opened = logs.stream().filter(log -> log.contains("opened " + DEMO)).count();
      assertTrue(opened >= 3, opened + " executors opened the model:\n" + run.log());
      for (String log : logs) {
        assertTrue(log.split("opened " + DEMO, -1).length <= 2, "once in each:\n" + log);
      }
    }
  }

  @Test
  void aRequestThatEndsItsProcessGetsAnErrorAndItsNeighboursTheirAnswers() throws Exception {
    try (SparkRun run = run(PoisonedMain.class)) {
      assertEquals(0, run.exitCode(), run.log());
      everyRequestIsAnsweredOnce(Optional.of("r50"));
      answersAreThoseOfABatch();
      long ended =
          run.executorLogs().stream().filter(log -> log.contains(PoisonedMain.ENDS)).count();
      assertEquals(2, ended, "once among its neighbours, once alone:\n" + run.log());
    }
    Path crash = out().resolve("_yuzui/crash");
    try (Stream<Path> attempts = Files.list(crash.resolve("attempts"));
        Stream<Path> lost = Files.list(crash.resolve("lost"))) {
      assertEquals(List.of(), attempts.toList(), "notes go with the application");
      assertEquals(1, lost.filter(f -> !f.getFileName().toString().startsWith(".")).count());
    }
  }

  @Test
  void aDriverThatIsKilledGoesOnBehindWhatWasCommittedAndWithNothingElse() throws Exception {
    Map<String, byte[]> before;
    List<JsonNode> rows;
    try (SparkRun run = run()) {
      run.await(() -> committed(1));
      Thread.sleep(500); // within the next
      run.kill();
      before = files();
      rows = rows();
    }
    try (SparkRun again = run()) {
      assertEquals(YuzuiBatchMain.USAGE, again.exitCode());
      assertTrue(again.log().contains("--out: expected a new folder"), again.log());
    }
    try (SparkRun other = run("--resume", "-m", OTHER.toString())) {
      assertEquals(YuzuiBatchMain.USAGE, other.exitCode());
      assertTrue(
          other.log().contains("--resume: expected the model and the settings"), other.log());
      assertTrue(other.log().contains("model \""), other.log());
    }
    try (SparkRun run = run("--resume")) {
      assertEquals(0, run.exitCode(), run.log());
    }
    everyRequestIsAnsweredOnce();
    Map<String, byte[]> after = files();
    Set<JsonNode> all = new HashSet<>(rows());
    assertTrue(all.containsAll(rows), "rows that were committed are as they were");
    before.forEach(
        (name, bytes) -> {
          if (after.containsKey(name)) {
            assertArrayEquals(bytes, after.get(name), name);
          }
        });
    answersAreThoseOfABatch();
  }
}
