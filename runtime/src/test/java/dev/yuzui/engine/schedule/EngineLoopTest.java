package dev.yuzui.engine.schedule;

import static dev.yuzui.engine.schedule.FakeModel.NOBODY;
import static dev.yuzui.engine.schedule.FakeModel.prompt;
import static dev.yuzui.engine.schedule.FakeModel.request;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Token;
import dev.yuzui.model.Step;
import dev.yuzui.sampling.SamplingParams;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(600)
class EngineLoopTest {
  @Test
  void sequencesJoinAndLeaveAndEachGetsWhatItGetsAlone() {
    try (FakeModel model = new FakeModel(4, 64, 8)) {
      List<Generation> generations = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        generations.add(model.generate(request(prompt(1 + 2 * i, i), 20 - i)));
      }
      for (int i = 0; i < 20; i++) {
        GenerationResult result = generations.get(i).await();
        assertEquals(FakeModel.alone(prompt(1 + 2 * i, i), 20 - i), result.tokens());
        assertEquals(FinishReason.LENGTH, result.finish());
      }
    }
  }

  @Test
  void asManyRunTogetherAsTheCacheHasSequencesAndAStepTokens() {
    for (int tokens : new int[] {400, 100}) {
      try (FakeModel model = new FakeModel(200, 800, tokens)) {
        model.takeMillisForAStep(20); // all have come when the second begins
        List<Generation> generations = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
          generations.add(model.generate(request(prompt(1, i), 4)));
        }
        for (int i = 0; i < 200; i++) {
          assertEquals(FakeModel.alone(prompt(1, i), 4), generations.get(i).await().tokens());
        }
        int most = model.passes.stream().mapToInt(List::size).max().orElseThrow();
        assertEquals(Math.min(tokens, 200), most);
      }
    }
  }

  /** Each has its own pages: of a prompt that takes them all, too. */
  @Test
  void wherePagesAreThereForAllNoneAreKeptBack() {
    int pages = FakeModel.CONTEXT / 4;
    try (FakeModel model = new FakeModel(6, 6 * pages, 512)) {
      model.takeMillisForAStep(20);
      List<Generation> generations = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        generations.add(model.generate(request(prompt(FakeModel.CONTEXT - 3, i), 3)));
      }
      generations.forEach(Generation::await);
      assertEquals(6, model.passes.stream().mapToInt(List::size).max().orElseThrow());
    }
  }

  /**
   * Few tokens of a sequence and many take forms of attention that round differently: what a
   * sequence makes must not depend on whether a prompt is read in the same step.
   */
  @Test
  void promptsAreReadInAPassBesideThatOfTheText() {
    int many = Step.PREFILL_TOKENS;
    try (FakeModel model = new FakeModel(3, 64, 64)) {
      List<Generation> later = new ArrayList<>();
      AtomicInteger told = new AtomicInteger();
      GenerationListener listener =
          (id, text) -> {
            if (told.incrementAndGet() == 2) { // the engine's own thread: in time for the next step
              later.add(model.generate(request(prompt(many, 2), 2)));
              later.add(model.generate(request(prompt(many - 1, 3), 2)));
            }
          };
      Generation first = model.generate(request(prompt(5, 1), 4), 1, listener).getFirst();
      assertEquals(FakeModel.alone(prompt(5, 1), 4), first.await().tokens());
      assertEquals(FakeModel.alone(prompt(many, 2), 2), later.get(0).await().tokens());
      assertEquals(FakeModel.alone(prompt(many - 1, 3), 2), later.get(1).await().tokens());
      assertEquals(
          List.of(
              List.of(5),
              List.of(1),
              List.of(1, many - 1), // and in the same step
              List.of(many),
              List.of(1, 1, 1)),
          model.passes);
    }
  }

  @Test
  void whoGivesWayLosesNothingAndTellsNothingTwice() {
    try (FakeModel model = new FakeModel(4, 20, 16)) {
      List<List<Integer>> told = new ArrayList<>();
      List<Generation> generations = new ArrayList<>();
      model.takeMillisForAStep(1); // so that all of them are there when the first ones grow
      for (int i = 0; i < 8; i++) {
        List<Integer> mine = new ArrayList<>();
        told.add(mine);
        generations.addAll(
            model.generate(request(prompt(8, i), 40), 1, (id, text) -> mine.add(id)));
      }
      for (int i = 0; i < 8; i++) {
        assertEquals(FakeModel.alone(prompt(8, i), 40), generations.get(i).await().tokens());
        assertEquals(FakeModel.alone(prompt(8, i), 40), told.get(i));
      }
      assertTrue(model.loop.metrics().preemptions() > 0, "no one had to give way");
      assertEquals(20, model.cache.freePages());
    }
  }

  @Test
  void answersToOnePromptReadItOnce() {
    try (FakeModel model = new FakeModel(3, 64, 8)) {
      List<Integer> prompt = prompt(30, 1);
      for (Generation generation : model.generate(request(prompt, 10), 5, NOBODY)) {
        assertEquals(FakeModel.alone(prompt, 10), generation.await().tokens());
      }
      // three share the first's entries; two wait for a sequence and find all whole pages
      assertEquals(30 + 2 * 2, model.loop.metrics().promptTokens());
    }
  }

  @Test
  void whenTheFirstAnswerIsCancelledTheOthersReadThePrompt() {
    try (FakeModel model = new FakeModel(3, 64, 4)) {
      model.takeMillisForAStep(2);
      List<Integer> prompt = prompt(40, 1);
      List<Generation> generations = model.generate(request(prompt, 10), 3, NOBODY);
      generations.get(0).cancel();
      assertEquals(FinishReason.CANCELLED, generations.get(0).await().finish());
      assertEquals(FakeModel.alone(prompt, 10), generations.get(1).await().tokens());
      assertEquals(FakeModel.alone(prompt, 10), generations.get(2).await().tokens());
    }
  }

  @Test
  void tokensStreamAndClosingTheStreamCancels() {
    try (FakeModel model = new FakeModel(1, 64, 8)) {
      List<Integer> prompt = prompt(5, 1);
      Generation all = model.generate(request(prompt, 12));
      assertEquals(FakeModel.alone(prompt, 12), all.tokens().map(Token::id).toList());
      assertEquals(
          FakeModel.alone(prompt, 12), all.tokens().map(Token::id).toList(), "a second reader");
      model.takeMillisForAStep(2);
      Generation some = model.generate(request(prompt, 50));
      try (Stream<Token> tokens = some.tokens()) {
        assertEquals(FakeModel.alone(prompt, 3), tokens.limit(3).map(Token::id).toList());
      }
      assertEquals(FinishReason.CANCELLED, some.await().finish());
    }
  }

  @Test
  void aListenerMayCancelAndNoTokenFollows() {
    try (FakeModel model = new FakeModel(1, 64, 8)) {
      CompletableFuture<Generation> handle = new CompletableFuture<>();
      AtomicInteger seen = new AtomicInteger();
      GenerationListener listener =
          (id, text) -> {
            if (seen.incrementAndGet() == 5) {
              handle.join().cancel();
            }
          };
      handle.complete(model.generate(request(prompt(5, 1), 50), 1, listener).getFirst());
      GenerationResult result = handle.join().await();
      assertEquals(FinishReason.CANCELLED, result.finish());
      assertEquals(FakeModel.alone(prompt(5, 1), 5), result.tokens());
    }
  }

  @Test
  void aRequestThatWaitsCanBeCancelled() {
    try (FakeModel model = new FakeModel(1, 64, 8)) {
      model.takeMillisForAStep(2);
      Generation runs = model.generate(request(prompt(5, 1), 50));
      Generation waits = model.generate(request(prompt(5, 2), 50));
      waits.cancel();
      assertEquals(FinishReason.CANCELLED, waits.await().finish());
      assertEquals(List.of(), waits.await().tokens());
      assertFalse(runs.result().isDone());
      runs.cancel();
      assertEquals(FinishReason.CANCELLED, runs.await().finish());
      assertEquals(64, model.cache.freePages());
    }
  }

  @Test
  void aRequestEndsWhenItsTimeIsUpWhetherItRunsOrWaits() {
    try (FakeModel model = new FakeModel(1, 64, 8)) {
      model.takeMillisForAStep(5);
      GenerateRequest request = request(prompt(5, 1), 50);
      Generation runs = model.generate(request.withTimeout(Duration.ofMillis(60)));
      Generation waits = model.generate(request.withTimeout(Duration.ofMillis(20)));
      assertEquals(FinishReason.TIMEOUT, waits.await().finish());
      assertEquals(List.of(), waits.await().tokens());
      assertEquals(FinishReason.TIMEOUT, runs.await().finish());
      int made = runs.await().tokens().size();
      assertEquals(FakeModel.alone(prompt(5, 1), made), runs.await().tokens());
      assertEquals(64, model.cache.freePages());
    }
  }

  @Test
  void aListenerThatThrowsFailsItsOwnRequest() {
    try (FakeModel model = new FakeModel(2, 64, 8)) {
      GenerationListener bad =
          (id, text) -> {
            throw new IllegalStateException("no more");
          };
      Generation fails = model.generate(request(prompt(5, 1), 9), 1, bad).getFirst();
      Generation good = model.generate(request(prompt(5, 2), 9));
      var e = assertThrows(EngineException.class, fails::await);
      assertTrue(e.getMessage().contains("listener") && e.getMessage().contains("no more"));
      assertThrows(EngineException.class, () -> fails.tokens().toList());
      assertEquals(FakeModel.alone(prompt(5, 2), 9), good.await().tokens());
      assertEquals(64, model.cache.freePages());
    }
  }

  @Test
  void aRequestWhoseParametersDoNotSuitTheModelFailsAlone() {
    try (FakeModel model = new FakeModel(2, 64, 8)) {
      SamplingParams wrong = SamplingParams.GREEDY.withLogitBias(Map.of(5000, 1f));
      Generation fails = model.generate(request(prompt(5, 1), 9).withSampling(wrong));
      Generation good = model.generate(request(prompt(5, 2), 9));
      assertTrue(
          assertThrows(EngineException.class, fails::await)
              .getMessage()
              .contains("SamplingParams.logitBias"));
      assertEquals(9, good.await().tokens().size());
    }
  }

  @Test
  void aStepThatFailsFailsAllAndThoseThatComeLater() {
    try (FakeModel model = new FakeModel(2, 64, 8)) {
      model.takeMillisForAStep(2);
      List<Generation> before =
          IntStream.range(0, 5).mapToObj(i -> model.generate(request(prompt(5, i), 50))).toList();
      model.fail("the device fell off the bus");
      for (Generation generation : before) {
        var e = assertThrows(EngineException.class, generation::await);
        assertTrue(e.getMessage().contains("fell off the bus"), e.getMessage());
      }
      Generation later = model.generate(request(prompt(5, 1), 5));
      assertTrue(
          assertThrows(EngineException.class, later::await)
              .getMessage()
              .contains("fell off the bus"));
      assertEquals(64, model.cache.freePages());
    }
  }

  @Test
  void closingUnderLoadFailsWhatIsNotDoneAndHangsNobody() throws Exception {
    for (int round = 0; round < 20; round++) {
      List<Generation> generations = new ArrayList<>();
      Thread reader;
      try (FakeModel model = new FakeModel(4, 64, 8)) {
        model.takeMillisForAStep(20); // a second for each: none is done before, on any machine
        for (int i = 0; i < 30; i++) {
          generations.addAll(model.generate(request(prompt(5, i), 50), 1 + i % 2, NOBODY));
        }
        Generation watched = generations.get(3);
        reader =
            Thread.startVirtualThread(
                () -> assertThrows(EngineException.class, () -> watched.tokens().toList()));
        Thread.sleep(ThreadLocalRandom.current().nextInt(10));
      }
      for (Generation generation : generations) {
        var e = assertThrows(EngineException.class, generation::await);
        assertTrue(e.getMessage().contains("closed"), e.getMessage());
      }
      assertTrue(reader.join(Duration.ofMinutes(5)));
    }
  }

  @Test
  void aListenerMayCloseTheLoopThatCallsIt() {
    try (FakeModel model = new FakeModel(1, 64, 8)) {
      GenerationListener closes = (id, text) -> model.loop.close();
      Generation fails = model.generate(request(prompt(5, 1), 9), 1, closes).getFirst();
      var e = assertThrows(EngineException.class, fails::await);
      assertTrue(e.getMessage().contains("closed"), e.getMessage());
    }
  }

  @Test
  void theFlightRecorderSeesStepsAndRequests(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("engine.jfr");
    try (FakeModel model = new FakeModel(4, 64, 8);
        Recording recording = new Recording()) {
      recording.enable("dev.yuzui.Step");
      recording.enable("dev.yuzui.Request");
      recording.start();
      model.generate(request(prompt(20, 1), 5)).await();
      recording.stop();
      recording.dump(file);
    }
    Map<String, List<RecordedEvent>> events =
        RecordingFile.readAllEvents(file).stream()
            .collect(Collectors.groupingBy(event -> event.getEventType().getName()));
    List<RecordedEvent> steps = events.get("dev.yuzui.Step");
    assertEquals(
        List.of(8, 8, 4, 1, 1, 1, 1), steps.stream().map(step -> step.getInt("rows")).toList());
    assertEquals(1, steps.getFirst().getInt("sequences"));
    assertEquals(64 - 5, steps.getFirst().getInt("freePages"), "pages for the whole prompt");
    RecordedEvent request = events.get("dev.yuzui.Request").getFirst();
    assertEquals(5, request.getInt("tokens"));
    assertEquals("length", request.getString("finishReason"));
    assertTrue(
        request.getDuration("timeToFirstToken").compareTo(request.getDuration("queueTime")) > 0);
  }
}
