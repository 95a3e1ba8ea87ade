package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.ExpertCounter;
import dev.yuzui.engine.PromptCache;
import dev.yuzui.engine.Session;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.text.TextException;
import dev.yuzui.text.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** An engine that is closed while it works, by whomever: nobody reads what was given back. */
@Timeout(120)
class ClosingTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));
  private static final Path DEMO = ROOT.resolve("seeds/demo.gguf");
  private static final Path TINY = ROOT.resolve("tests/system/src/test/resources/golden/v3-f32");
  private static final String CLOSED = "the engine is closed";
  private static final int ROUNDS = 8;

  private static Engine open(Path model) {
    return Engine.open(
        UnderTest.on(
            "cpu",
            RuntimeOptions.of(model).withThreads(2).withContextLength(256).withMaxSequences(2)),
        LoadProgress.none());
  }

  private static GenerateRequest request(Engine engine) {
    return GenerateRequest.of(engine.tokenizer().encode("Once upon a time", true))
        .withSampling(SamplingParams.GREEDY)
        .withMaxTokens(200)
        .withIgnoreEos(true);
  }

  private static int[] tokens(Engine engine, int count) {
    return new Random(1).ints(count, 0, engine.config().vocabSize()).toArray();
  }

  private static void assertClosed(Executable call, String what) {
    EngineException e = assertThrows(EngineException.class, call, what);
    assertEquals(CLOSED, e.getMessage(), what);
  }

  /** Threads of engines; what is over may take a moment to go. */
  private static void assertNoThreadIsLeft() throws InterruptedException {
    for (int i = 0; i < 500 && !engineThreads().isEmpty(); i++) {
      Thread.sleep(10);
    }
    assertEquals(List.of(), engineThreads());
  }

  private static List<String> engineThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.startsWith("yuzui"))
        .toList();
  }

  /** Closes the engine while another thread does {@code work} again and again. */
  private static void closeDuring(BiConsumer<Engine, Session> work) {
    for (int round = 0; round < ROUNDS; round++) {
      Engine engine = open(DEMO);
      try (Session session = engine.newSession()) {
        CountDownLatch begun = new CountDownLatch(1);
        CompletableFuture<Void> worker =
            CompletableFuture.runAsync(
                () -> {
                  while (true) {
                    begun.countDown();
                    work.accept(engine, session);
                  }
                });
        awaitBriefly(begun, 3 * round);
        engine.close();
        assertClosed(() -> rethrow(worker), "round " + round);
      }
    }
  }

  private static void awaitBriefly(CountDownLatch begun, int millis) {
    try {
      begun.await();
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static void rethrow(CompletableFuture<Void> worker) {
    try {
      worker.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException known ? known : e;
    }
  }

  @Test
  void whileASessionReadsAPrompt() {
    closeDuring(
        (engine, session) -> {
          session.prefill(tokens(engine, 200));
          session.truncate(0);
        });
  }

  @Test
  void whileSessionsDecode() {
    closeDuring(
        (engine, session) -> {
          engine.decodeTogether(List.of(session), new int[] {1});
          session.decodeStep(2);
          session.truncate(0);
        });
  }

  @Test
  void whileLogitsAreRead() {
    closeDuring((engine, _) -> engine.logits(tokens(engine, 100), (_, _) -> {}));
  }

  @Test
  void whileExpertsAreCounted() {
    closeDuring((engine, _) -> new ExpertCounter(engine).count(tokens(engine, 100), 3, _ -> {}));
  }

  @Test
  void requestsThatAreNotDoneFail() throws InterruptedException {
    Engine engine = open(DEMO);
    List<Generation> generations = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      generations.add(engine.generate(request(engine).withMaxTokens(-1)));
    }
    assertTrue(generations.getFirst().tokens().findFirst().isPresent());
    engine.close();
    for (Generation generation : generations.subList(1, 5)) {
      EngineException e = assertThrows(EngineException.class, generation::await);
      assertTrue(e.getMessage().contains("closed"), e::getMessage);
    }
    assertNoThreadIsLeft();
  }

  @Test
  void aListenerMayCloseTheEngineThatCallsIt() throws InterruptedException {
    List<GenerationListener> closers = new ArrayList<>();
    Engine atToken = open(DEMO);
    Generation first = atToken.generate(request(atToken), (_, _) -> atToken.close());
    assertTrue(assertThrows(EngineException.class, first::await).getMessage().contains("closed"));
    atToken.close();
    assertClosed(atToken::tokenizer, "closed in token()");
    Engine atPrompt = open(DEMO);
    closers.add(
        new GenerationListener() {
          @Override
          public void prompt(int done, int total) {
            atPrompt.close();
            atPrompt.close();
          }

          @Override
          public void token(int id, String text) {}
        });
    Generation second = atPrompt.generate(request(atPrompt), closers.getFirst());
    assertThrows(EngineException.class, second::await);
    atPrompt.close();
    assertNoThreadIsLeft();
  }

  @Test
  void whatDependsOnAResultMayCloseTheEngine() throws InterruptedException {
    Engine engine = open(DEMO);
    engine.generate(request(engine).withMaxTokens(3)).result().thenRun(engine::close).join();
    engine.close();
    assertNoThreadIsLeft();
    Engine failing = open(DEMO);
    Generation left = failing.generate(request(failing).withMaxTokens(-1));
    CompletableFuture<GenerationResult> closesToo =
        left.result().whenComplete((_, _) -> failing.close());
    failing.close();
    assertThrows(CompletionException.class, closesToo::join);
    assertNoThreadIsLeft();
  }

  @Test
  void aSinkMayCloseTheEngineThatFillsIt() throws InterruptedException {
    Engine engine = open(DEMO);
    int chunk = Math.min(engine.batchTokens(), Engine.OBSERVED_TOKENS);
    List<Integer> rows = new ArrayList<>();
    assertClosed(
        () ->
            engine.logits(
                tokens(engine, chunk + 1),
                (position, logits) -> {
                  engine.close();
                  assertTrue(Float.isFinite(logits[0]));
                  rows.add(position);
                }),
        "the next chunk");
    assertEquals(chunk, rows.size(), "rows that were there already");
    engine.close();
    assertNoThreadIsLeft();
  }

  @Test
  void anObserverMayCloseTheEngineItLooksInto() throws InterruptedException {
    Engine engine = open(TINY);
    Session session = engine.newSession();
    boolean[] read = {false};
    session.observe(
        new int[] {1, 2},
        (_, _, values) -> {
          engine.close();
          read[0] |= values.read().length > 0;
        });
    assertTrue(read[0]);
    engine.close();
    session.close();
    assertNoThreadIsLeft();
  }

  @Test
  void severalMayCloseAtOnceAndAllWaitForTheEnd() throws InterruptedException {
    Engine engine = open(DEMO);
    Generation generation = engine.generate(request(engine).withMaxTokens(-1));
    assertTrue(generation.tokens().findFirst().isPresent());
    List<CompletableFuture<Boolean>> closers = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      closers.add(
          CompletableFuture.supplyAsync(
              () -> {
                engine.close();
                return generation.result().isDone();
              }));
    }
    closers.forEach(closer -> assertTrue(closer.join()));
    assertNoThreadIsLeft();
  }

  @Test
  void whoIsInterruptedWhileClosingStillCloses() throws InterruptedException {
    Engine engine = open(DEMO);
    assertTrue(engine.generate(request(engine)).tokens().findFirst().isPresent());
    Thread.currentThread().interrupt();
    engine.close();
    assertTrue(Thread.interrupted(), "and is still interrupted");
    assertNoThreadIsLeft();
  }

  @Test
  void afterwardsEveryCallSaysSo(@TempDir Path folder) {
    Engine engine = open(TINY);
    Session session = engine.newSession();
    GenerateRequest request =
        GenerateRequest.of(1, 2).withSampling(SamplingParams.GREEDY).withMaxTokens(2);
    GenerationResult result = engine.generate(request).await();
    PromptCache cache = PromptCache.open(engine, folder.resolve("cache"));
    ExpertCounter counter = new ExpertCounter(engine);
    int length = session.length();
    engine.close();
    Map<String, Executable> calls = new LinkedHashMap<>();
    calls.put("generate", () -> engine.generate(request).await());
    calls.put("generate too much", () -> engine.generate(GenerateRequest.of(-1)).await());
    calls.put("generate several", () -> engine.generate(request, 2).getLast().await());
    calls.put("newSession", engine::newSession);
    calls.put("decodeTogether", () -> engine.decodeTogether(List.of(session), new int[] {1}));
    calls.put("countExperts", () -> engine.countExperts(List.of(session), new int[] {1}));
    calls.put("fillCache", engine::fillCache);
    calls.put("logits", () -> engine.logits(new int[] {1}, (_, _) -> {}));
    calls.put("mtpLogits", () -> engine.mtpLogits(new int[] {1, 2}, (_, _) -> {}));
    calls.put("tokenizer", engine::tokenizer);
    calls.put("chatTemplate", engine::chatTemplate);
    calls.put("deviceLoads", engine::deviceLoads);
    calls.put("prefill", () -> session.prefill(new int[] {1}));
    calls.put("prefill too much", () -> session.prefill(new int[10_000]));
    calls.put("decodeStep", () -> session.decodeStep(1));
    calls.put("observe", () -> session.observe(new int[] {1}, (_, _, _) -> {}));
    calls.put("observeMtp", () -> session.observeMtp(0, new int[] {1}, (_, _, _) -> {}));
    calls.put("truncate", () -> session.truncate(0));
    calls.put("assume", () -> session.assume(1));
    calls.put("PromptCache.open", () -> PromptCache.open(engine, folder.resolve("other")));
    calls.put("save", () -> cache.save(request, result));
    calls.put("new ExpertCounter", () -> new ExpertCounter(engine));
    calls.put("count", () -> counter.count(new int[] {1}, 0, _ -> {}));
    calls.forEach((what, call) -> assertClosed(call, what));
    assertEquals(length, session.length());
    assertEquals(2, engine.metrics().generationTokens(), "what was counted is still known");
    session.close();
    session.close();
    engine.close();
  }

  @Test
  void aTokenizerOutlivesItsEngineAsFarAsItNeedsNoLibrary() {
    Engine engine = open(DEMO);
    Tokenizer tokenizer = engine.tokenizer();
    int[] ids = tokenizer.encode("Once", false);
    engine.close();
    assertEquals("Once", tokenizer.decode(ids, true));
    TextException e = assertThrows(TextException.class, () -> tokenizer.encode("Once", false));
    assertTrue(e.getMessage().contains("closed"), e::getMessage);
  }

  @Test
  void aTextThatIsBeingSplitKeepsItsTokenizer() {
    for (int round = 0; round < ROUNDS; round++) {
      Engine engine = open(DEMO);
      Tokenizer tokenizer = engine.tokenizer();
      CountDownLatch begun = new CountDownLatch(1);
      CompletableFuture<Void> worker =
          CompletableFuture.runAsync(
              () -> {
                while (true) {
                  begun.countDown();
                  assertFalse(tokenizer.encode("Once upon a time ".repeat(100), false).length == 0);
                }
              });
      awaitBriefly(begun, round);
      engine.close();
      assertThrows(TextException.class, () -> rethrow(worker));
    }
  }
}
