package dev.yuzui.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.io.Json;
import dev.yuzui.sampling.SamplingException;
import dev.yuzui.spi.BackendException;
import dev.yuzui.text.TextException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BatchRunTest {
  private static final BatchRun.Options ORDERED = FakeBatch.options(8, true);
  private static final BatchRun.Options UNORDERED = FakeBatch.options(8, false);
  private static final Single AT_ONCE =
      request -> CompletableFuture.completedFuture(FakeBatch.parrot(request));

  /** Answers one by one. */
  private interface Single extends BatchRun.Generator {
    CompletableFuture<GenerationResult> generate(GenerateRequest request);

    @Override
    default List<CompletableFuture<GenerationResult>> generate(
        GenerateRequest request, int answers) {
      return Stream.generate(() -> generate(request)).limit(answers).toList();
    }
  }

  @TempDir private Path folder;
  private final AtomicInteger requests = new AtomicInteger();

  /** Answers after a while that has nothing to do with the order of asking. */
  private final Single later =
      request -> {
        requests.incrementAndGet();
        return CompletableFuture.supplyAsync(
            () -> FakeBatch.parrot(request),
            CompletableFuture.delayedExecutor(
                ThreadLocalRandom.current().nextInt(4), TimeUnit.MILLISECONDS));
      };

  private static String plain(int lines) {
    return IntStream.range(0, lines)
        .mapToObj(i -> "{\"prompt\":\"" + i + "\"}\n")
        .collect(Collectors.joining());
  }

  private Path out() {
    return folder.resolve("out.jsonl");
  }

  private static InputStream stream(String input) {
    return new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8));
  }

  private List<JsonNode> rows() throws IOException {
    return Files.readAllLines(out()).stream()
        .map(
            line -> {
              try {
                return Json.mapper().readTree(line);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            })
        .toList();
  }

  private List<Integer> numbers() throws IOException {
    return rows().stream().map(row -> row.get("line").asInt()).toList();
  }

  private static List<Integer> upTo(int lines) {
    return IntStream.rangeClosed(1, lines).boxed().toList();
  }

  @Test
  void resultsComeInTheInputsOrderHoweverTheyAreFinished() throws IOException {
    assertTrue(FakeBatch.run(plain(200), out(), later, ORDERED));
    assertEquals(upTo(200), numbers());
    assertEquals("<user>41", rows().get(41).get("text").asText());
  }

  @Test
  void unorderedResultsComeAsFinishedAndAreAllThere() throws IOException {
    CompletableFuture<GenerationResult> first = new CompletableFuture<>();
    Single lateFirst =
        request -> {
          GenerationResult result = FakeBatch.parrot(request);
          if (result.text().equals("<user>0")) {
            return first;
          }
          if (result.text().equals("<user>19")) {
            first.complete(FakeBatch.parrot(request));
          }
          return CompletableFuture.completedFuture(result);
        };
    assertTrue(FakeBatch.run(plain(20), out(), lateFirst, UNORDERED));
    assertEquals(2, numbers().getFirst());
    assertEquals(upTo(20), numbers().stream().sorted().toList());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void noMoreIsAskedThanTheWindowHolds(boolean ordered) {
    AtomicInteger open = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    Single counting =
        request -> {
          most.accumulateAndGet(open.incrementAndGet(), Math::max);
          return later.generate(request).whenComplete((_, _) -> open.decrementAndGet());
        };
    String several =
        "{\"custom_id\":\"a\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"x\",\"n\":3}}\n";
    assertTrue(
        FakeBatch.run(
            (plain(3) + several).repeat(20), out(), counting, FakeBatch.options(5, ordered)));
    assertTrue(most.get() <= 5 && most.get() >= 3, "at most " + most.get() + " at a time");
  }

  @Test
  void errorsStandWhereTheResultsWouldAndTheOthersGoOn() throws IOException {
    String input =
        """
        {"prompt":"a"}
        {oops

        {"custom_id":"c","url":"/v1/completions","body":{"prompt":"x","n":0}}
        {"custom_id":"d","url":"/v1/completions","body":{"prompt":"y"}}
        {"prompt":"too long"}
        """;
    Single picky =
        request ->
            request.prompt().size() > 8
                ? CompletableFuture.failedFuture(new EngineException("the prompt does not fit"))
                : AT_ONCE.generate(request);
    assertTrue(FakeBatch.run(input, out(), picky, ORDERED));
    List<JsonNode> rows = rows();
    assertEquals(5, rows.size());
    assertEquals("<user>a", rows.get(0).get("text").asText());
    assertEquals("invalid_json_line", rows.get(1).at("/error/code").asText());
    assertEquals(2, rows.get(1).at("/error/line").asInt());
    assertEquals("c", rows.get(2).get("custom_id").asText());
    assertEquals(400, rows.get(2).at("/response/status_code").asInt());
    assertEquals("n", rows.get(2).at("/response/body/error/param").asText());
    assertEquals(4, rows.get(2).at("/error/line").asInt());
    assertEquals("y", rows.get(3).at("/response/body/choices/0/text").asText());
    assertTrue(rows.get(3).get("error").isNull());
    assertEquals("the prompt does not fit", rows.get(4).at("/error/message").asText());
    assertEquals(6, rows.get(4).get("line").asInt());
  }

  @Test
  void aChatAnswerHasTheShapeOfTheOpenAiInterface() throws IOException {
    String input =
        "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":"
            + "{\"model\":\"any\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"n\":2}}";
    Single thinking =
        request ->
            CompletableFuture.completedFuture(
                new GenerationResult(
                    "<think>hm</think>yes",
                    List.of(1, 2, 3),
                    FinishReason.LENGTH,
                    FakeBatch.parrot(request).timings(),
                    GenerationResult.Speculative.NONE));
    FakeBatch.run(input, out(), thinking, ORDERED);
    JsonNode row = rows().getFirst();
    assertEquals(List.of("id", "custom_id", "response", "error"), FakeBatch.names(row));
    assertEquals(
        List.of("status_code", "request_id", "body"), FakeBatch.names(row.get("response")));
    JsonNode body = row.at("/response/body");
    assertEquals(
        List.of("id", "object", "created", "model", "choices", "usage"), FakeBatch.names(body));
    assertEquals("chat.completion", body.get("object").asText());
    assertEquals(
        "{\"index\":1,\"message\":{\"role\":\"assistant\",\"reasoning_content\":\"hm\",\"content\":\"yes\"},"
            + "\"logprobs\":null,\"finish_reason\":\"length\"}",
        body.get("choices").get(1).toString());
    assertEquals(
        "{\"prompt_tokens\":8,\"completion_tokens\":6,\"total_tokens\":14}",
        body.get("usage").toString());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void cutOffAnywhereItGoesOnToTheSameResult(boolean readTwice) throws IOException {
    String input = "{\"prompt\":\"é\"}\n\n{oops\n{\"prompt\":[104,105]}";
    FakeBatch.run(input, out(), AT_ONCE, ORDERED);
    byte[] whole = Files.readAllBytes(out());
    for (int length = 0; length <= whole.length; length++) {
      Files.write(out(), Arrays.copyOf(whole, length));
      if (readTwice) {
        FakeBatch.run(input, out(), AT_ONCE, ORDERED);
      } else {
        FakeBatch.run(stream(input), out(), AT_ONCE, ORDERED, () -> false);
      }
      assertEquals(
          new String(whole, StandardCharsets.UTF_8), Files.readString(out()), "cut at " + length);
    }
  }

  @Test
  void unorderedResultsWithHolesAreCompletedAndNothingIsDoneTwice() throws IOException {
    FakeBatch.run(plain(20), out(), AT_ONCE, ORDERED);
    List<String> some =
        Files.readAllLines(out()).stream().filter(l -> l.hashCode() % 3 != 0).toList();
    Files.write(out(), some.reversed());
    assertTrue(FakeBatch.run(plain(20), out(), later, UNORDERED));
    assertEquals(20 - some.size(), requests.get());
    assertEquals(upTo(20), numbers().stream().sorted().toList());
  }

  @Test
  void anOutputWithHolesIsNotContinuedInOrder() throws IOException {
    FakeBatch.run(plain(5), out(), AT_ONCE, ORDERED);
    Files.write(out(), Files.readAllLines(out()).subList(1, 5));
    assertRefused(plain(5), "Batch.ordered");
  }

  @Test
  void anotherInputsOutputIsRefusedAsItIs() throws IOException {
    FakeBatch.run(plain(5), out(), AT_ONCE, ORDERED);
    assertRefused("{\"prompt\":\"new\"}\n" + plain(6), "line 1 differs");
    assertRefused(plain(4), "this input, whose last line is 4");
    assertRefused(plain(2) + "\n\n{\"prompt\":\"4\"}\n", "2 of lines that are blank or missing");
    String row = Files.readAllLines(out()).getFirst() + "\n";
    Files.writeString(out(), row + row);
    assertRefused(plain(5), "a second one for line 1");
  }

  @Test
  void allOfAChecksumCounts() throws IOException {
    // their checksums are the same modulo 255
    FakeBatch.run("{\"prompt\":\"the king\",\"max_tokens\":3}\n", out(), AT_ONCE, ORDERED);
    assertRefused("{\"prompt\":\"the queen146\",\"max_tokens\":3}\n", "line 1 differs");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "my thesis, all on one line",
        "my thesis\n",
        "{\"text\":\"mine\"}\n",
        "{\"id\":\"batch_req_mine",
        "{\"id\":\"batch_req_1_00000000\",\"text\":\"mine\"}\n",
        "\n"
      })
  void whatNoBatchWroteIsLeftAsItIs(String thesis) throws IOException {
    Files.writeString(out(), thesis);
    assertRefused(plain(5), "a file that 'yuzui batch' wrote");
    FakeBatch.run(plain(2), folder.resolve("two"), AT_ONCE, ORDERED);
    Files.writeString(out(), Files.readString(folder.resolve("two")) + thesis);
    assertRefused(plain(5), "a file that 'yuzui batch' wrote");
  }

  @Test
  void aHalfLineIsCutOffOnlyWhereAResultOfThisInputIsMissing() throws IOException {
    FakeBatch.run(plain(5), out(), AT_ONCE, ORDERED);
    List<String> rows = Files.readAllLines(out());
    String two = rows.get(0) + "\n" + rows.get(1) + "\n";
    // of a line that has its result, of another input's, of one behind the end
    for (String half :
        List.of(
            rows.get(1).substring(0, 40),
            rows.get(2).replaceFirst("_3_.{8}", "_3_00000000").substring(0, 40),
            rows.get(4).replace("_5_", "_77_").substring(0, 20))) {
      Files.writeString(out(), two + half);
      assertRefused(plain(5), "the beginning of a missing result");
    }
    Files.writeString(out(), String.join("\n", rows) + "\n{\"id\":\"");
    assertRefused(plain(5), "the beginning of a missing result");
  }

  @Test
  void amongUnorderedResultsAHalfLineMayBeOfAnyMissingOne() throws IOException {
    FakeBatch.run(plain(5), out(), AT_ONCE, ORDERED);
    List<String> rows = Files.readAllLines(out());
    Files.writeString(out(), rows.get(3) + "\n" + rows.get(1).substring(0, 50));
    assertTrue(FakeBatch.run(plain(5), out(), AT_ONCE, UNORDERED));
    assertEquals(upTo(5), numbers().stream().sorted().toList());
  }

  @Test
  void anOutputIsLeftAsItIsUntilTheEngineAnswers() throws IOException {
    FakeBatch.run(plain(2), out(), AT_ONCE, ORDERED);
    String cut = Files.readString(out()).strip();
    Files.writeString(out(), cut.substring(0, cut.length() - 3));
    String before = Files.readString(out());
    Single dead =
        _ ->
            CompletableFuture.failedFuture(
                new EngineException("gone", new BackendException("cuda: gone", "reboot")));
    assertThrows(EngineException.class, () -> FakeBatch.run(plain(2), out(), dead, ORDERED));
    assertEquals(before, Files.readString(out()));
  }

  /** Of a grammar that its model's texts cannot have; of logits that are not numbers. */
  @Test
  void whatTheEngineSaysOfARequestIsThatLinesProblem() throws IOException {
    Single failing =
        request ->
            switch (FakeBatch.parrot(request).text()) {
              case "<user>0" -> failed("no such text", new TextException("no such text"));
              case "<user>1" -> failed("not numbers", new SamplingException("not numbers"));
              default -> AT_ONCE.generate(request);
            };
    assertTrue(FakeBatch.run(plain(3), out(), failing, ORDERED));
    List<JsonNode> rows = rows();
    assertEquals("invalid_request", rows.get(0).at("/error/code").asText());
    assertEquals("no such text", rows.get(0).at("/error/message").asText());
    assertEquals("server_error", rows.get(1).at("/error/code").asText());
    assertEquals("<user>2", rows.get(2).get("text").asText());
  }

  private static CompletableFuture<GenerationResult> failed(String message, RuntimeException why) {
    return CompletableFuture.failedFuture(new EngineException(message, why));
  }

  /** Here by probabilities, of a model that has no tokenizer to name its tokens. */
  @Test
  void anAnswerThatCannotBeToldIsThatLinesProblem() throws IOException {
    Single odd =
        request -> {
          GenerationResult r = FakeBatch.parrot(request);
          return CompletableFuture.completedFuture(
              r.text().equals("<user>1")
                  ? new GenerationResult(
                      r.text(),
                      r.tokens(),
                      List.of(new TokenLogprobs(new TokenLogprobs.Entry(1, -1), List.of())),
                      r.finish(),
                      r.stop(),
                      r.timings(),
                      r.speculative())
                  : r);
        };
    assertTrue(FakeBatch.run(plain(3), out(), odd, ORDERED));
    List<JsonNode> rows = rows();
    assertEquals("server_error", rows.get(1).at("/error/code").asText());
    assertTrue(
        rows.get(1).at("/error/message").asText().startsWith("unexpected java.util."),
        rows.get(1).toString());
    assertEquals("<user>2", rows.get(2).get("text").asText());
  }

  /** Whether the input is read twice or once. */
  private void assertRefused(String input, String message) throws IOException {
    byte[] before = Files.readAllBytes(out());
    for (Executable run :
        List.<Executable>of(
            () -> FakeBatch.run(input, out(), later, ORDERED),
            () -> FakeBatch.run(stream(input), out(), later, ORDERED, () -> false))) {
      BatchException refused = assertThrows(BatchException.class, run);
      assertTrue(refused.getMessage().contains(message), refused.getMessage());
      assertArrayEquals(before, Files.readAllBytes(out()));
      assertEquals(0, requests.get());
    }
  }

  private static String named(String id, String more) {
    return "{\"custom_id\":" + id + ",\"prompt\":\"x\"" + more + "}\n";
  }

  @Test
  void aNameThatAnEarlierLineHasIsRefusedAndBothAreNamed() throws IOException {
    String input =
        named("\"a\"", ",\"n\":0")
            + named("\"b\"", "")
            + "{\"custom_id\":\"a\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"x\"}}\n"
            + named("\"b\"", "");
    FakeBatch.run(input, out(), AT_ONCE, ORDERED);
    List<JsonNode> rows = rows();
    assertEquals("duplicate_custom_id", rows.get(2).at("/error/code").asText());
    assertEquals(400, rows.get(2).at("/response/status_code").asInt());
    assertEquals("a", rows.get(2).get("custom_id").asText());
    assertEquals(
        "custom_id: expected one that no other line has, found b, which line 2 has",
        rows.get(3).at("/error/message").asText());
    assertEquals(4, rows.get(3).at("/error/line").asInt());
    Files.write(out(), Files.readAllLines(out()).subList(0, 2));
    FakeBatch.run(input, out(), AT_ONCE, ORDERED);
    assertEquals(rows, rows(), "an earlier run's lines have their names too");
  }

  @Test
  void aNameThatIsNoStringIsRefusedAndGivenBackAsItCame() throws IOException {
    String input =
        named("5", "")
            + "{\"custom_id\":[1],\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"x\"}}\n"
            + named("null", "")
            + "{\"id\":\"q1\",\"prompt\":\"a\"}";
    FakeBatch.run(input, out(), AT_ONCE, ORDERED);
    List<JsonNode> rows = rows();
    assertEquals("5", rows.get(0).get("custom_id").toString());
    assertEquals(
        "custom_id: expected a string, found 5", rows.get(0).at("/error/message").asText());
    assertEquals("[1]", rows.get(1).get("custom_id").toString());
    assertEquals("custom_id", rows.get(1).at("/response/body/error/param").asText());
    assertEquals("<user>x", rows.get(2).get("text").asText());
    assertTrue(rows.get(3).at("/error/message").asText().startsWith("id: expected custom_id"));
  }

  @Test
  void anOutputThatAnotherProcessWritesIsRefused() {
    try (BatchOutput _ = BatchOutput.open(out(), true)) {
      BatchException refused =
          assertThrows(
              BatchException.class, () -> FakeBatch.run(plain(1), out(), AT_ONCE, ORDERED));
      assertTrue(refused.getMessage().contains("another one is writing"), refused.getMessage());
    }
  }

  @Test
  void aDeviceThatFailsEndsTheBatchAndLosesNoLine() throws IOException {
    Single dying =
        request ->
            requests.incrementAndGet() > 3
                ? CompletableFuture.failedFuture(
                    new EngineException(
                        "the engine cannot go on", new BackendException("cuda: gone", "reboot")))
                : AT_ONCE.generate(request);
    assertThrows(EngineException.class, () -> FakeBatch.run(plain(10), out(), dying, ORDERED));
    assertEquals(upTo(3), numbers());
    assertTrue(FakeBatch.run(plain(10), out(), AT_ONCE, ORDERED));
    assertEquals(upTo(10), numbers());
  }

  @Test
  void anInterruptLeavesWholeLinesAndTheRestForLater() throws IOException {
    InputStream input = new ByteArrayInputStream(plain(50).getBytes(StandardCharsets.UTF_8));
    Single stuck =
        request ->
            requests.incrementAndGet() > 10 ? new CompletableFuture<>() : AT_ONCE.generate(request);
    assertFalse(FakeBatch.run(input, out(), stuck, ORDERED, () -> requests.get() > 10));
    assertTrue(numbers().size() <= 10);
    assertTrue(FakeBatch.run(plain(50), out(), AT_ONCE, ORDERED));
    assertEquals(upTo(50), numbers());
  }

  @Test
  void aCancelledAnswerIsNotWritten() throws IOException {
    Single cancelled =
        request -> {
          GenerationResult r = FakeBatch.parrot(request);
          return CompletableFuture.completedFuture(
              new GenerationResult(
                  r.text(), r.tokens(), FinishReason.CANCELLED, r.timings(), r.speculative()));
        };
    assertFalse(FakeBatch.run(plain(3), out(), cancelled, ORDERED));
    assertEquals(List.of(), numbers());
  }

  @Test
  void anInterruptDoesNotWaitForInput() throws IOException {
    try (PipedOutputStream writer = new PipedOutputStream();
        PipedInputStream input = new PipedInputStream(writer)) {
      writer.write(plain(2).getBytes(StandardCharsets.UTF_8));
      writer.flush();
      assertFalse(FakeBatch.run(input, out(), AT_ONCE, ORDERED, this::twoLines));
    }
    assertEquals(upTo(2), numbers());
  }

  private boolean twoLines() {
    try {
      return Files.readAllLines(out()).size() == 2;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
