package dev.yuzui.engine.schedule;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.DraftModel;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.EngineMetrics;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import dev.yuzui.engine.api.Token;
import dev.yuzui.model.Step;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.sampling.SamplingParams.Counted;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(600)
class EngineLoopTest {
  private static final GenerationListener NOBODY = (id, text) -> {};

  private static GenerateRequest request(List<Integer> prompt, int tokens) {
    return GenerateRequest.of(prompt)
        .withSampling(SamplingParams.GREEDY)
        .withMaxTokens(tokens)
        .withIgnoreEos(true);
  }

  private static List<Integer> prompt(int length, int seed) {
    return new Random(seed).ints(length, 0, FakeModel.VOCABULARY).boxed().toList();
  }

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
  void guessesSaveStepsAndChangeNothing() {
    Speculation speculation = new Speculation(Drafts.NGRAM, 4, 0);
    List<Integer> counting = IntStream.range(0, 30).mapToObj(i -> i % 12).toList();
    try (FakeModel model = new FakeModel(1, 64, 8, speculation)) {
      GenerationResult result = model.generate(request(counting, 30)).await();
      assertEquals(FakeModel.alone(counting, 30), result.tokens());
      var speculative = result.speculative();
      assertTrue(speculative.acceptedTokens() > 5, speculative.toString());
      assertTrue(speculative.acceptedTokens() < speculative.draftTokens(), "some were wrong");
      assertTrue(speculative.drafts() * 4 >= speculative.draftTokens());
    }
  }

  /** As the OpenAI interface has it: of the prompt nothing counts, of the answer everything. */
  private static final SamplingParams PENALISED =
      SamplingParams.GREEDY.withPenalties(1, 4, 2.5, 0.75).withCounted(Counted.GENERATED);

  private static List<Integer> penalisedAlone(List<Integer> prompt, int tokens) {
    List<Integer> all = new ArrayList<>(prompt);
    for (int i = 0; i < tokens; i++) {
      List<Integer> made = all.subList(prompt.size(), all.size());
      int best = 0;
      double most = Double.NEGATIVE_INFINITY;
      for (int id = 0; id < FakeModel.VOCABULARY; id++) {
        int count = Collections.frequency(made, id);
        double logit = FakeModel.logit(all, id) - (count > 0 ? 2.5 + 0.75 * count : 0);
        if (logit > most) {
          most = logit;
          best = id;
        }
      }
      all.add(best);
    }
    return all.subList(prompt.size(), all.size());
  }

  @Test
  void penaltiesCountTheAnswerWhoeverGivesWay() {
    try (FakeModel model = new FakeModel(4, 20, 16)) {
      model.takeMillisForAStep(1);
      List<Generation> generations = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        generations.add(model.generate(request(prompt(8, i), 40).withSampling(PENALISED)));
      }
      for (int i = 0; i < 8; i++) {
        assertEquals(penalisedAlone(prompt(8, i), 40), generations.get(i).await().tokens());
      }
      assertTrue(model.loop.metrics().preemptions() > 0, "no one had to give way");
    }
  }

  @Test
  void penaltiesCountWhatWasAcceptedOfGuesses() {
    List<Integer> counting = IntStream.range(0, 30).mapToObj(i -> i % 12).toList();
    try (FakeModel model = new FakeModel(1, 64, 8, new Speculation(Drafts.NGRAM, 4, 0))) {
      GenerationResult result =
          model.generate(request(counting, 30).withSampling(PENALISED)).await();
      assertEquals(penalisedAlone(counting, 30), result.tokens());
      var speculative = result.speculative();
      assertTrue(speculative.acceptedTokens() > 0, speculative.toString());
      assertTrue(speculative.acceptedTokens() < speculative.draftTokens(), "some were wrong");
    }
  }

  @Test
  void penaltiesCountEachAnswerToAPromptForItself() {
    try (FakeModel model = new FakeModel(3, 64, 8)) {
      List<Integer> prompt = prompt(30, 1);
      GenerateRequest request = request(prompt, 20).withSampling(PENALISED);
      for (Generation generation : model.generate(request, 5, NOBODY)) {
        assertEquals(penalisedAlone(prompt, 20), generation.await().tokens());
      }
      // the whole conversation as the next prompt, found in the cache: nothing of it counts
      List<Integer> longer = new ArrayList<>(prompt);
      longer.addAll(penalisedAlone(prompt, 20));
      assertEquals(
          penalisedAlone(longer, 10),
          model.generate(request(longer, 10).withSampling(PENALISED)).await().tokens());
    }
  }

  @Test
  void anOverflowAmongGuessesFailsItsRequestAlone() {
    List<Integer> counting = IntStream.range(0, 30).mapToObj(i -> i % 12).toList();
    for (int at = 30; at < 50; at++) {
      try (FakeModel model = new FakeModel(2, 64, 16, new Speculation(Drafts.NGRAM, 4, 0))) {
        model.overflowBehind(at);
        Generation fails = model.generate(request(counting, 30));
        Generation good = model.generate(request(prompt(3, at), 20));
        String message = assertThrows(EngineException.class, fails::await).getMessage();
        assertTrue(message.contains("the largest is infinite"), message);
        assertEquals(FakeModel.alone(prompt(3, at), 20), good.await().tokens());
        assertEquals(64, model.cache.freePages());
      }
    }
  }

  @Test
  void guessesPushNobodyOut() {
    List<Integer> counting = IntStream.range(0, 20).mapToObj(i -> i % 12).toList();
    try (FakeModel model = new FakeModel(2, 12, 16, new Speculation(Drafts.NGRAM, 15, 0))) {
      model.takeMillisForAStep(1);
      Generation first = model.generate(request(counting, 4));
      Generation second = model.generate(request(counting, 4));
      assertEquals(FakeModel.alone(counting, 4), first.await().tokens());
      assertEquals(FakeModel.alone(counting, 4), second.await().tokens());
      assertEquals(0, model.loop.metrics().preemptions());
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

  /**
   * Shared beginnings, several answers, cancellations, time limits, listeners that throw. Now and
   * then all are done; the next one holds the engine until others wait, for those who ask may be
   * slower than it, and nobody would have to give way.
   */
  @ParameterizedTest
  @EnumSource(names = {"NONE", "NGRAM", "MODEL"})
  void tenThousandRandomRequestsLeaveNoPageBehind(Drafts drafts) {
    Random random = new Random(5);
    int pages = drafts == Drafts.MODEL ? 24 : 40; // whose texts are done in fewer steps
    Speculation speculation =
        drafts == Drafts.MODEL
            ? Speculation.by(new DraftModel(Path.of("draft"), Optional.empty()), 3, 0)
            : new Speculation(drafts, 3, 0);
    try (FakeModel drafter = new FakeModel(6, 25, 16); // too small for all
        FakeModel model = new FakeModel(8, pages, 24, speculation, drafter.proposer(drafts))) {
      List<Integer> shared = prompt(40, 7);
      int done = 0;
      int made = 0;
      record Asked(GenerateRequest request, Generation generation) {}
      List<Asked> open = new ArrayList<>();
      CountDownLatch others = new CountDownLatch(0);
      while (made < 10_000) {
        boolean holds = open.isEmpty();
        if (holds) {
          others = new CountDownLatch(30);
        }
        CountDownLatch waited = others;
        List<Integer> prompt = new ArrayList<>(shared.subList(0, random.nextInt(30)));
        prompt.addAll(prompt(1 + random.nextInt(10), random.nextInt()));
        GenerateRequest request = request(prompt, random.nextInt(16));
        if (random.nextInt(10) == 0) {
          request = request.withTimeout(Duration.ofNanos(1 + random.nextInt(3_000_000)));
        }
        GenerationListener listener =
            holds
                ? (id, text) -> assertDoesNotThrow(() -> waited.await(1, TimeUnit.MINUTES))
                : random.nextInt(20) > 0
                    ? NOBODY
                    : (id, text) -> {
                      throw new IllegalStateException("a bad listener");
                    };
        int answers = random.nextInt(10) == 0 ? 1 + random.nextInt(4) : 1;
        for (Generation generation : model.generate(request, answers, listener)) {
          open.add(new Asked(request, generation));
          made++;
          others.countDown();
        }
        if (random.nextInt(4) == 0) {
          open.get(random.nextInt(open.size())).generation().cancel();
        }
        boolean last = made >= 10_000;
        while (last && others.getCount() > 0) {
          others.countDown();
        }
        int most = last || random.nextInt(500) == 0 && others.getCount() == 0 ? 0 : 40;
        while (open.size() > most) {
          Asked asked = open.remove(random.nextInt(open.size()));
          try {
            GenerationResult result = asked.generation().await();
            assertEquals(
                FakeModel.alone(asked.request().prompt(), result.tokens().size()), result.tokens());
            if (result.finish() == FinishReason.LENGTH) {
              assertEquals(asked.request().maxTokens(), result.tokens().size());
              done++;
            }
          } catch (EngineException e) {
            assertTrue(e.getMessage().contains("a bad listener"), e.getMessage());
          }
        }
      }
      assertTrue(done > 5000, done + " were done");
      EngineMetrics metrics = model.loop.metrics();
      assertEquals(0, metrics.requestsRunning());
      assertEquals(0, metrics.requestsWaiting());
      assertTrue(metrics.preemptions() > 0, "no one had to give way");
      assertTrue(metrics.prefixHits() > 0, "nothing was found in the cache");
      assertEquals(drafts != Drafts.NONE, metrics.acceptedTokens() > 0);
      assertEquals(drafts != Drafts.NONE, metrics.acceptedTokens() < metrics.draftTokens());
      assertEquals(pages, model.cache.freePages());
      assertEquals(25, drafter.cache.freePages());
    }
  }
}
