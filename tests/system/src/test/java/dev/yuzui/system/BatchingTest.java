package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.Session;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Encoding;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Requests that share steps get what each gets alone, whatever happens around them. */
@Timeout(600)
class BatchingTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));
  private static final Path DEMO = ROOT.resolve("seeds/demo.gguf");
  private static final Path TINY = ROOT.resolve("tests/system/src/test/resources/golden/v3-f32");
  private static final String TEXT =
      "Once upon a time there was a king who had twelve daughters, each one more beautiful than the"
          + " other. They slept together in a hall where their beds stood close to one another, and"
          + " at night when they had lain down, the king locked the door and bolted it.";

  static Stream<String> backends() {
    return UnderTest.backends();
  }

  /**
   * With activations and cache entries as they are: rounding them chooses another word at times.
   */
  private static RuntimeOptions exact(String backend, Path model) {
    return UnderTest.on(
        backend,
        RuntimeOptions.of(model)
            .withThreads(2)
            .withContextLength(128)
            .withRepack(false)
            .withCacheEncoding(Encoding.F32));
  }

  private static Engine open(RuntimeOptions options) {
    return Engine.open(options, LoadProgress.none());
  }

  private static GenerateRequest greedy(int[] prompt, int tokens) {
    return GenerateRequest.of(prompt)
        .withSampling(SamplingParams.GREEDY)
        .withMaxTokens(tokens)
        .withIgnoreEos(true);
  }

  /** Of several lengths and beginnings. */
  private static List<GenerateRequest> requests(Engine engine) {
    int[] text = engine.tokenizer().encode(TEXT, false);
    return IntStream.range(0, 8)
        .mapToObj(i -> greedy(Arrays.copyOfRange(text, i, i + 1 + 6 * i), 18 - 2 * i))
        .toList();
  }

  private static List<List<Integer>> alone(RuntimeOptions options) {
    try (Engine engine = open(options.withMaxSequences(1))) {
      return requests(engine).stream().map(r -> engine.generate(r).await().tokens()).toList();
    }
  }

  private static List<List<Integer>> together(Engine engine) {
    List<Generation> generations = requests(engine).stream().map(engine::generate).toList();
    return generations.stream().map(g -> g.await().tokens()).toList();
  }

  @Test
  void aPromptAsLongAsTheContextLeavesNoRoomForAText() {
    try (Engine engine = open(exact("reference", TINY).withContextLength(8))) {
      assertEquals(1, engine.generate(greedy(new int[7], 5)).await().tokens().size());
      assertEquals(0, engine.generate(greedy(new int[8], 0)).await().tokens().size());
      EngineException refused =
          assertThrows(EngineException.class, () -> engine.generate(greedy(new int[8], 5)).await());
      assertTrue(
          refused.getMessage().contains("no room for a text: 8 tokens, and the context holds 8"),
          refused.getMessage());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sequencesThatJoinAndLeaveMakeWhatEachMakesAlone(String backend) {
    RuntimeOptions options = exact(backend, DEMO);
    try (Engine engine = open(options.withMaxSequences(5).withBatchTokens(16))) {
      assertEquals(alone(options), together(engine));
      assertEquals(0, engine.metrics().preemptions());
    }
  }

  /** More than 64, which once was all that ran. */
  @ParameterizedTest
  @MethodSource("backends")
  void soDoTwoHundredTogether(String backend) {
    RuntimeOptions options = exact(backend, TINY).withContextLength(48);
    List<List<Integer>> expected = many(options, 20);
    List<List<Integer>> found = many(options.withMaxSequences(200), 200);
    for (int i = 0; i < found.size(); i++) {
      assertEquals(expected.get(i % 20), found.get(i), "sequence " + i);
    }
  }

  /** As it runs by default, with guesses that some of the steps have no room for, too. */
  @Test
  void soDoTwoHundredWithNativeKernelsAndRoundedActivations() {
    RuntimeOptions options =
        UnderTest.on("cpu", RuntimeOptions.of(DEMO).withThreads(2).withContextLength(48));
    List<List<Integer>> expected = many(options, 20);
    for (Speculation how : List.of(Speculation.NONE, new Speculation(Drafts.MTP, 2, 0))) {
      RuntimeOptions together = options.withMaxSequences(200).withSpeculation(how);
      try (Engine engine = open(options)) {
        assumeTrue(
            engine.backendDescription().contains("native"),
            "no native kernels: the Vector API's add up few rows in another order than many");
      }
      List<List<Integer>> found = many(together, 200);
      for (int i = 0; i < found.size(); i++) {
        assertEquals(expected.get(i % 20), found.get(i), how + ", sequence " + i);
      }
    }
  }

  /** Of {@code count} requests, of which every twentieth is the same. */
  private static List<List<Integer>> many(RuntimeOptions options, int count) {
    try (Engine engine = open(options)) {
      AtomicInteger running = new AtomicInteger();
      GenerationListener listener =
          (_, _) -> running.accumulateAndGet(engine.metrics().requestsRunning(), Math::max);
      List<Generation> generations = new CopyOnWriteArrayList<>();
      // the engine's own thread asks for the others: all in time for its next step
      GenerationListener first =
          (_, _) -> {
            for (int i = generations.size(); i < count; i++) {
              generations.add(engine.generate(one(i % 20), listener));
            }
          };
      engine.generate(greedy(new int[] {1}, 1), first).await();
      List<List<Integer>> tokens = generations.stream().map(g -> g.await().tokens()).toList();
      int most = options.maxSequences();
      assertTrue(running.get() > most / 2, running.get() + " of " + most + " ran together");
      return tokens;
    }
  }

  private static GenerateRequest one(int i) {
    return greedy(new Random(i).ints(1 + i % 6, 0, 256).toArray(), 4 + i % 4);
  }

  /** As it runs by default, weights repacked: what is rounded does not depend on the others. */
  @Test
  void withNativeKernelsTheSameHoldsOfRoundedActivations() {
    RuntimeOptions options =
        UnderTest.on("cpu", RuntimeOptions.of(DEMO).withThreads(2).withContextLength(128));
    List<List<Integer>> expected = alone(options);
    for (Speculation how :
        List.of(
            Speculation.NONE,
            new Speculation(Drafts.MTP, 1, 0),
            new Speculation(Drafts.NGRAM, 4, 0))) {
      try (Engine engine = open(options.withMaxSequences(5).withSpeculation(how))) {
        assumeTrue(
            engine.backendDescription().contains("native"),
            "no native kernels: the Vector API's add up few rows in another order than many");
        assertEquals(expected, together(engine), how::toString);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void whereThePagesRunOutSequencesGiveWayAndTheTextIsTheSame(String backend) {
    RuntimeOptions options = exact(backend, DEMO).withPageTokens(4);
    try (Engine engine =
        open(options.withMaxSequences(8).withContextLength(60).withCachePages(24))) {
      assertEquals(alone(options), together(engine));
      assertTrue(engine.metrics().preemptions() > 0, "no one had to give way");
      assertEquals(0, engine.metrics().cacheUsage());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void guessesChangeNothing(String backend) {
    RuntimeOptions options = exact(backend, DEMO).withPageTokens(4);
    List<List<Integer>> expected = alone(options);
    for (Drafts drafts : List.of(Drafts.MTP, Drafts.NGRAM)) {
      RuntimeOptions guessing = options.withSpeculation(new Speculation(drafts, 2, 0));
      try (Engine engine =
          open(guessing.withMaxSequences(5).withContextLength(60).withCachePages(60))) {
        assertEquals(expected, together(engine), () -> "" + drafts);
        assertEquals(drafts == Drafts.MTP, engine.metrics().acceptedTokens() > 10);
        assertEquals(0, engine.metrics().cacheUsage());
      }
    }
  }

  @Test
  void guessesSaveStepsAndTheSameSeedGivesTheSameText() {
    RuntimeOptions options = exact("cpu", DEMO);
    RuntimeOptions guessing = options.withSpeculation(new Speculation(Drafts.MTP, 1, 0));
    try (Engine plain = open(options);
        Engine guesses = open(guessing)) {
      int[] prompt = plain.tokenizer().encode("There was once a king", true);
      GenerateRequest request = greedy(prompt, 100);
      GenerationResult result = guesses.generate(request).await();
      assertEquals(plain.generate(request).await().tokens(), result.tokens());
      // its MTP layer agrees with it on 0.47 of greedy tokens, see seeds/README.md
      assertTrue(result.speculative().acceptanceRate() > 0.35, "" + result.speculative());
      for (int seed = 0; seed < 3; seed++) {
        GenerateRequest sampled = request.withSampling(SamplingParams.DEFAULT.withSeed(seed));
        assertEquals(
            plain.generate(sampled).await().tokens(), guesses.generate(sampled).await().tokens());
      }
    }
  }

  @Test
  void whileALongPromptIsReadTextIsMadeInEveryStep() {
    RuntimeOptions options = exact("cpu", DEMO).withMaxSequences(3).withBatchTokens(8);
    try (Engine engine = open(options)) {
      int[] text = engine.tokenizer().encode(TEXT, true);
      List<String> events = new CopyOnWriteArrayList<>();
      GenerationListener writer = (id, words) -> events.add("token");
      GenerationListener reader =
          new GenerationListener() {
            @Override
            public void prompt(int done, int total) {
              events.add("chunk");
            }

            @Override
            public void token(int id, String words) {
              events.add("read");
            }
          };
      Generation a = engine.generate(greedy(new int[] {text[0]}, 100), writer);
      Generation b = engine.generate(greedy(new int[] {text[1]}, 100), writer);
      assertTrue(b.tokens().findFirst().isPresent());
      engine.generate(greedy(text, 1), reader).await();
      a.cancel();
      b.cancel();
      List<String> told = List.copyOf(events); // the writers may still be told something
      List<String> during = told.subList(told.indexOf("chunk"), told.indexOf("read"));
      assertTrue(text.length > 40, "the prompt takes several steps");
      long chunks = during.stream().filter("chunk"::equals).count();
      assertEquals(Math.ceilDiv(text.length, 8 - 2), chunks);
      assertEquals(2 * chunks, during.stream().filter("token"::equals).count());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void severalAnswersToOnePromptReadItOnce(String backend) {
    RuntimeOptions options = exact(backend, DEMO).withMaxSequences(4);
    try (Engine engine = open(options)) {
      int[] prompt = engine.tokenizer().encode("There was once a king", true);
      GenerateRequest request =
          GenerateRequest.of(prompt)
              .withSampling(SamplingParams.DEFAULT.withSeed(5))
              .withMaxTokens(10);
      List<List<Integer>> together =
          engine.generate(request, 4).stream().map(g -> g.await().tokens()).toList();
      assertEquals(prompt.length, engine.metrics().promptTokens());
      for (int i = 0; i < 4; i++) {
        SamplingParams seeded = SamplingParams.DEFAULT.withSeed(5 + i);
        assertEquals(
            engine.generate(request.withSampling(seeded)).await().tokens(), together.get(i));
      }
    }
  }

  @Test
  void requestsOfManyThreadsAreAnswered() throws InterruptedException {
    RuntimeOptions options =
        exact("cpu", TINY).withMaxSequences(6).withPageTokens(4).withCachePages(40);
    try (Engine engine = open(options)) {
      List<Throwable> wrong = new CopyOnWriteArrayList<>();
      List<Thread> threads =
          IntStream.range(0, 4)
              .mapToObj(i -> Thread.ofVirtual().unstarted(() -> ask(engine, new Random(i))))
              .toList();
      threads.forEach(t -> t.setUncaughtExceptionHandler((_, e) -> wrong.add(e)));
      threads.forEach(Thread::start);
      for (Thread thread : threads) {
        thread.join();
      }
      assertEquals(List.of(), wrong);
      assertEquals(0, engine.metrics().requestsRunning() + engine.metrics().requestsWaiting());
      assertEquals(0, engine.metrics().cacheUsage(), "pages in use");
      assertTrue(engine.metrics().generationTokens() > 500);
    }
  }

  private static void ask(Engine engine, Random random) {
    List<Generation> open = new ArrayList<>();
    for (int i = 0; i < 75; i++) {
      int[] prompt = random.ints(1 + random.nextInt(40), 0, 256).toArray();
      open.add(engine.generate(greedy(prompt, random.nextInt(24))));
      if (random.nextInt(3) == 0) {
        open.get(random.nextInt(open.size())).cancel();
      }
    }
    for (Generation generation : open) {
      GenerationResult result = generation.await();
      assertTrue(List.of(FinishReason.LENGTH, FinishReason.CANCELLED).contains(result.finish()));
    }
  }

  @Test
  void aRequestThatCannotBeMetFailsAlone() {
    try (Engine engine = open(exact("cpu", TINY).withMaxSequences(2))) {
      Generation good = engine.generate(greedy(new int[] {1, 2, 3}, 20));
      Generation tooLong = engine.generate(greedy(new int[129], 5));
      Generation outside = engine.generate(greedy(new int[] {1, 100_000}, 5));
      String message = assertThrows(EngineException.class, tooLong::await).getMessage();
      assertTrue(message.contains("129") && message.contains("128"), message);
      message = assertThrows(EngineException.class, outside::await).getMessage();
      assertTrue(message.contains("token 100000 is outside the vocabulary"), message);
      assertEquals(20, good.await().tokens().size());
    }
  }

  @Test
  void aSessionAndRequestsShareTheDevice() {
    try (Engine engine = open(exact("cpu", TINY).withMaxSequences(2))) {
      List<Integer> expected = engine.generate(greedy(new int[] {1, 2, 3}, 40)).await().tokens();
      try (Session session = engine.newSession()) {
        Generation beside = engine.generate(greedy(new int[] {1, 2, 3}, 40));
        session.prefill(new int[] {1, 2});
        List<Integer> byHand = new ArrayList<>();
        int token = 3;
        for (int i = 0; i < 40; i++) {
          token = session.decodeStep(token);
          byHand.add(token);
        }
        assertEquals(expected, byHand);
        assertEquals(expected, beside.await().tokens());
      }
    }
  }

  @Test
  void aRequestWaitsForTheSequenceThatASessionHolds() throws InterruptedException {
    try (Engine engine = open(exact("cpu", TINY))) {
      Generation waits;
      try (Session session = engine.newSession()) {
        session.prefill(new int[] {1, 2, 3});
        waits = engine.generate(greedy(new int[] {1, 2, 3}, 5));
        Thread.sleep(20);
        assertTrue(!waits.result().isDone());
      }
      assertEquals(5, waits.await().tokens().size());
    }
  }
}
