package dev.yuzui.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.batch.Batch;
import dev.yuzui.batch.BatchListener;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.io.Json;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.RecordCopy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.SparkException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A transform of tables, with tasks in this JVM. */
class YuzuiBatchTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));
  private static final String DEMO = PlainDemo.copy();
  private static final String CHAT =
      ROOT.resolve("tests/system/src/test/resources/golden/v2lite-f32").toString();
  private static final YuzuiBatchConfig CONFIG =
      YuzuiBatchConfig.of(DEMO)
          .withContextLength(128)
          .withMaxSequences(4)
          .withThreads(1)
          .withDevices(List.of("cpu:0"))
          .withMaxTokens(8);

  private static SparkSession spark;

  @TempDir private Path folder;

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

  private static Dataset<Row> table(StructType type, Row... rows) {
    return spark.createDataFrame(List.of(rows), type).repartition(3);
  }

  private static Row response(Row row) {
    return row.getAs("response");
  }

  private static String error(Row row) {
    Row error = response(row).getAs("error");
    return error.getString(0) + ": " + error.getString(1);
  }

  @Test
  void otherColumnsPassThroughAndOneBadRowIsAnError() {
    StructType type =
        new StructType()
            .add("n", DataTypes.IntegerType)
            .add("prompt", DataTypes.StringType)
            .add("more", DataTypes.BinaryType);
    Row[] rows =
        IntStream.range(0, 20)
            .mapToObj(
                i ->
                    RowFactory.create(
                        i,
                        i == 7 ? "long ".repeat(200) : i == 8 ? null : "Once upon a time " + i,
                        new byte[] {(byte) i}))
            .toArray(Row[]::new);
    List<Row> answered =
        YuzuiBatch.transform(table(type, rows), CONFIG).orderBy("n").collectAsList();
    assertEquals(20, answered.size());
    Engine engine = Engines.ofThisJvm().take(CONFIG);
    for (Row row : answered) {
      int n = row.getInt(0);
      assertEquals(n, row.<byte[]>getAs("more")[0]);
      switch (n) {
        case 7 ->
            assertTrue(
                error(row).startsWith("invalid_request: the prompt does not fit"), error(row));
        case 8 ->
            assertEquals("invalid_request: prompt: expected a request, found null", error(row));
        default -> {
          int[] prompt = engine.tokenizer().encode("Once upon a time " + n, true);
          String text =
              engine
                  .generate(
                      GenerateRequest.of(prompt)
                          .withSampling(SamplingParams.GREEDY)
                          .withMaxTokens(8))
                  .await()
                  .text();
          assertEquals(text, response(row).getAs("text"));
          assertNull(response(row).getAs("error"));
          Row usage = response(row).getAs("usage");
          assertEquals((long) prompt.length, usage.<Long>getAs("prompt_tokens"));
        }
      }
    }
    Engines.ofThisJvm().giveBack(engine);
    assertEquals(1, Engines.ofThisJvm().count(), "of all tasks");
  }

  @Test
  void bodiesSayWhatTheyWantAndIdsSeedThoseThatDoNot() {
    StructType type =
        new StructType().add("id", DataTypes.LongType).add("body", DataTypes.StringType);
    String warm = "{\"prompt\":\"There was\",\"temperature\":1,\"max_tokens\":12%s}";
    Dataset<Row> table =
        table(
            type,
            RowFactory.create(1L, warm.formatted("")),
            RowFactory.create(2L, warm.formatted(",\"seed\":" + YuzuiBatch.seed("1"))),
            RowFactory.create(3L, warm.formatted("")),
            RowFactory.create(4L, "{\"prompt\":\"x\",\"colour\":1}"),
            RowFactory.create(5L, "no JSON"));
    List<Row> rows =
        YuzuiBatch.transform(table, CONFIG.withBodies("body").withId("id"))
            .orderBy("id")
            .collectAsList();
    String first = response(rows.get(0)).getAs("text");
    assertEquals(first, response(rows.get(1)).getAs("text"));
    assertTrue(!first.equals(response(rows.get(2)).getAs("text")), first);
    assertTrue(error(rows.get(3)).contains("colour"), error(rows.get(3)));
    assertTrue(error(rows.get(4)).startsWith("invalid_json_line: "), error(rows.get(4)));
  }

  /** Of a model with a chat template. */
  @Test
  void conversationsToolsAndCompletionsAreAnsweredAsABatchAnswersThem() throws IOException {
    String messages = "[{\"role\":\"user\",\"content\":\"Hello\"}]";
    String tool =
        "{\"type\":\"function\",\"function\":{\"name\":\"pick\",\"parameters\":{\"type\":\"object\","
            + "\"properties\":{\"side\":{\"enum\":[\"left\",\"right\"]}},\"required\":[\"side\"],"
            + "\"additionalProperties\":false}}}";
    String envelope = "{\"custom_id\":\"%s\",\"url\":\"/v1/%s\",\"body\":%s}";
    List<String> lines =
        List.of(
            "{\"custom_id\":\"0\",\"prompt\":\"Hello\"}",
            envelope.formatted("1", "chat/completions", "{\"messages\":" + messages + "}"),
            envelope.formatted("2", "completions", "{\"prompt\":\"Hello\"}"),
            envelope.formatted(
                "3",
                "chat/completions",
                "{\"messages\":"
                    + messages
                    + ",\"max_tokens\":200,\"tool_choice\":\"required\",\"parallel_tool_calls\":false,"
                    + "\"tools\":["
                    + tool
                    + "]}"));
    YuzuiBatchConfig config =
        RecordCopy.with(CONFIG, "model", CHAT).withContextLength(1024).withMaxTokens(24);
    StructType type =
        new StructType().add("n", DataTypes.IntegerType).add("body", DataTypes.StringType);
    Dataset<Row> table =
        table(
            type,
            IntStream.range(0, 4)
                .mapToObj(i -> RowFactory.create(i, lines.get(i)))
                .toArray(Row[]::new));
    List<Row> rows =
        YuzuiBatch.transform(table, config.withBodies("body")).orderBy("n").collectAsList();
    Path in = Files.write(folder.resolve("in.jsonl"), lines);
    Path out = folder.resolve("out.jsonl");
    Engine engine = Engines.ofThisJvm().take(config);
    assertTrue(
        Batch.of(in, out)
            .run(engine, Engines.served(engine, config), BatchListener.NONE, () -> false));
    Engines.ofThisJvm().giveBack(engine);
    List<String> answers = Files.readAllLines(out);
    for (int i = 0; i < 4; i++) {
      JsonNode line = Json.mapper().readTree(answers.get(i));
      JsonNode choice = i == 0 ? line : line.at("/response/body/choices/0");
      boolean chat = i == 1 || i == 3;
      String text = (chat ? choice.at("/message/content") : choice.path("text")).textValue();
      assertNull(response(rows.get(i)).getAs("error"), lines.get(i));
      assertEquals(text, response(rows.get(i)).getAs("text"), answers.get(i));
      assertEquals(
          choice.get("finish_reason").asText(), response(rows.get(i)).getAs("finish_reason"));
    }
    Row call = response(rows.get(3)).<Row>getList(4).getFirst();
    assertEquals("pick", call.getAs("name"));
    assertTrue(
        call.<String>getAs("arguments").matches("\\{ ?\"side\": ?\"(left|right)\" ?}"),
        call.toString());
    assertEquals("tool_calls", response(rows.get(3)).getAs("finish_reason"));

    StructType message =
        new StructType().add("role", DataTypes.StringType).add("content", DataTypes.StringType);
    StructType said = new StructType().add("messages", DataTypes.createArrayType(message));
    Row asStructs = RowFactory.create((Object) new Row[] {RowFactory.create("user", "Hello")});
    Row asJson = RowFactory.create(messages);
    StructType json = new StructType().add("messages", DataTypes.StringType);
    for (Dataset<Row> conversation : List.of(table(said, asStructs), table(json, asJson))) {
      Row row = YuzuiBatch.transform(conversation, config.withMessages("messages")).first();
      assertEquals(
          response(rows.get(1)).<String>getAs("text"), response(row).<String>getAs("text"));
    }
  }

  @Test
  void aRequestThatIsKnownToEndProcessesIsNotRun() throws IOException {
    YuzuiBatchConfig config = CONFIG.withId("n").withCrashFolder(folder.toUri().toString());
    StructType type =
        new StructType().add("n", DataTypes.IntegerType).add("prompt", DataTypes.StringType);
    Dataset<Row> table =
        table(
            type,
            IntStream.range(0, 20)
                .mapToObj(i -> RowFactory.create(i, "Once upon a time " + i))
                .toArray(Row[]::new));
    CrashNotes notes = CrashFolder.of(spark.sparkContext(), config.crashFolder()).notes();
    Row seven = table.filter("n = 7").first();
    notes.blame(Requests.name(config, seven), new CrashNotes.Lost("4", "exited with code 137"));
    List<Row> answered = YuzuiBatch.transform(table, config).orderBy("n").collectAsList();
    assertEquals(20, answered.size());
    for (Row row : answered) {
      if (row.getInt(0) == 7) {
        String error = error(row);
        assertTrue(
            error.startsWith(
                "process_lost: n 7: the process of executor 4 ended while this request ran in it"
                    + " alone (exited with code 137), so it is not run again; "),
            error);
        assertTrue(error.contains(folder.resolve("lost").toString()), error);
      } else {
        assertNull(response(row).getAs("error"));
      }
    }
    Path attempts = folder.resolve("attempts").resolve(spark.sparkContext().applicationId());
    try (Stream<Path> left = Files.list(attempts)) {
      assertEquals(List.of(), left.toList(), "tasks that ended well leave no notes");
    }
  }

  @Test
  void aJobOfOtherSettingsClosesWhatTheOneBeforeHadOpen() {
    Dataset<Row> table =
        table(new StructType().add("prompt", DataTypes.StringType), RowFactory.create("a"));
    for (int context : List.of(64, 96)) {
      YuzuiBatchConfig config = CONFIG.withContextLength(context);
      assertNull(response(YuzuiBatch.transform(table, config).first()).getAs("error"));
      assertEquals(1, Engines.ofThisJvm().count());
    }
  }

  @Test
  void transformsThatNoteCrashesInOneFolderHaveOneListenerAndNotesOfTheirOwn() {
    String path = folder.toUri().toString();
    long before = listeners();
    CrashFolder one = CrashFolder.of(spark.sparkContext(), path);
    CrashFolder other = CrashFolder.of(spark.sparkContext(), path);
    assertEquals(before + 1, listeners());
    assertNotEquals(one.work(3, 5), other.work(3, 5));
    assertEquals(one.work(3, 5), one.work(3, 5));
  }

  private static long listeners() {
    return spark.sparkContext().listenerBus().listeners().stream()
        .filter(listener -> listener.getClass().getName().startsWith(CrashFolder.class.getName()))
        .count();
  }

  @Test
  void aCrashFolderThatIsNowhereIsNamed() {
    Dataset<Row> table =
        table(new StructType().add("prompt", DataTypes.StringType), RowFactory.create("a"));
    String said =
        assertThrows(
                IllegalArgumentException.class,
                () -> YuzuiBatch.transform(table, CONFIG.withCrashFolder("nowhere://a/b")))
            .getMessage();
    assertTrue(
        said.startsWith(
            "YuzuiBatchConfig.crashFolder: expected a folder that Spark can reach, found"
                + " nowhere://a/b: "),
        said);
  }

  @Test
  void messagesOfAModelWithoutATemplateAreRefusedRowByRow() {
    StructType message =
        new StructType().add("role", DataTypes.StringType).add("content", DataTypes.StringType);
    StructType type = new StructType().add("messages", DataTypes.createArrayType(message));
    Dataset<Row> table =
        table(type, RowFactory.create((Object) new Row[] {RowFactory.create("user", "Hello")}));
    Row row = YuzuiBatch.transform(table, CONFIG.withMessages("messages")).first();
    assertTrue(error(row).contains("this model has no chat template"), error(row));
  }

  @Test
  void aJobThatIsToFailAtABadRowDoes() {
    StructType type = new StructType().add("prompt", DataTypes.StringType);
    Dataset<Row> table = table(type, RowFactory.create("long ".repeat(200)));
    SparkException e =
        assertThrows(
            SparkException.class,
            () -> YuzuiBatch.transform(table, CONFIG.withFailOnError(true)).collectAsList());
    assertTrue(e.toString().contains("does not fit") || e.getMessage().contains("does not fit"));
  }

  @Test
  void columnsThatAreNotThereAreNamed() {
    Dataset<Row> table =
        table(new StructType().add("text", DataTypes.StringType), RowFactory.create("a"));
    assertEquals(
        "YuzuiBatchConfig.column: expected one of the columns [text], found prompt",
        assertThrows(IllegalArgumentException.class, () -> YuzuiBatch.transform(table, CONFIG))
            .getMessage());
    assertEquals(
        "YuzuiBatchConfig.response: expected a column that the rows do not have, found text",
        assertThrows(
                IllegalArgumentException.class,
                () -> YuzuiBatch.transform(table, CONFIG.withPrompts("text").withResponse("text")))
            .getMessage());
  }
}
