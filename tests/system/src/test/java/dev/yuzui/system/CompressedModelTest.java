package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.PromptCache;
import dev.yuzui.engine.Session;
import dev.yuzui.engine.api.DraftModel;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * DeepSeek-V4 keeps rows for 4 and for 128 tokens in pages, and of its last tokens what the next
 * rows are pooled from: steps, prefixes and guesses have to cut them where they like and change
 * nothing.
 */
@Timeout(900)
class CompressedModelTest {
  private static final String MODEL = "v4-f32";
  private static final int PAGE = 128;
  private static final int[] TEXT =
      IntStream.range(0, 400).map(i -> 3 + i * i * 37 % 250).toArray();

  static Stream<String> backends() {
    return UnderTest.backends();
  }

  private static RuntimeOptions options(String backend) {
    return UnderTest.on(
        backend,
        RuntimeOptions.of(path(MODEL))
            .withThreads(2)
            .withContextLength(512)
            .withPageTokens(PAGE)
            .withRepack(false)
            .withCacheEncoding(Encoding.F32));
  }

  private static Path path(String model) {
    return Golden.folder().resolve(model);
  }

  private static Engine open(RuntimeOptions options) {
    return Engine.open(options, LoadProgress.none());
  }

  private static GenerateRequest greedy(int from, int to, int tokens) {
    return GenerateRequest.of(Arrays.copyOfRange(TEXT, from, to))
        .withSampling(SamplingParams.GREEDY)
        .withMaxTokens(tokens)
        .withIgnoreEos(true);
  }

  /** Some begin behind a boundary of blocks of 128, some come to one while they are made. */
  private static List<GenerateRequest> requests() {
    return IntStream.range(0, 5).mapToObj(i -> greedy(i, i + 3 + 60 * i, 40 - 3 * i)).toList();
  }

  /** All of which want a second and a third page while they are made. */
  private static List<GenerateRequest> acrossPages() {
    return IntStream.range(0, 3).mapToObj(i -> greedy(i, i + 110 + 3 * i, 160)).toList();
  }

  private static List<List<Integer>> texts(Engine engine, List<GenerateRequest> requests) {
    List<Generation> all = requests.stream().map(engine::generate).toList();
    return all.stream().map(g -> g.await().tokens()).toList();
  }

  private static List<List<Integer>> alone(RuntimeOptions options, List<GenerateRequest> requests) {
    try (Engine engine = open(options)) {
      return texts(engine, requests);
    }
  }

  /** Prompts of any length, then text across the end of a page, whatever steps they are read in. */
  @ParameterizedTest
  @MethodSource("backends")
  void stepsOfAnySizeMakeTheSameText(String backend) {
    GenerateRequest request = greedy(0, 100, 200);
    List<Integer> expected;
    try (Engine engine = open(options(backend))) {
      expected = engine.generate(request).await().tokens();
    }
    for (int batch : new int[] {1, 7, 33, 64}) {
      try (Engine engine = open(options(backend).withBatchTokens(batch))) {
        assertEquals(expected, engine.generate(request).await().tokens(), "steps of " + batch);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sequencesThatShareStepsAndGiveWayMakeWhatEachMakesAlone(String backend) {
    RuntimeOptions options = options(backend);
    List<List<Integer>> expected = alone(options, acrossPages());
    try (Engine engine = open(options.withMaxSequences(3).withCachePages(6))) {
      assertEquals(expected, texts(engine, acrossPages()));
      assertTrue(engine.metrics().preemptions() > 0, "no one had to give way");
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void guessesChangeNothing(String backend) {
    RuntimeOptions options = options(backend);
    List<List<Integer>> expected = alone(options, requests());
    for (Speculation how :
        List.of(
            new Speculation(Drafts.NGRAM, 4, 0),
            new Speculation(Drafts.MTP, 2, 0),
            by(MODEL, 3),
            by("v2lite-f32", 2))) {
      try (Engine engine = open(options.withMaxSequences(5).withSpeculation(how))) {
        assertEquals(expected, texts(engine, requests()), how::toString);
        boolean repeats = how.drafts() != Drafts.NGRAM; // no text has to
        assertTrue(!repeats || engine.metrics().draftTokens() > 0, how::toString);
      }
    }
  }

  /** Texts that begin alike come, are given up, give way and guess, a few at a time. */
  @ParameterizedTest
  @MethodSource("backends")
  void whateverTheScheduleEachMakesWhatItMakesAlone(String backend) {
    Random random = new Random(23);
    List<GenerateRequest> requests =
        IntStream.range(0, 24)
            .map(_ -> 5 * random.nextInt(2))
            .mapToObj(from -> greedy(from, from + 1 + random.nextInt(290), 1 + random.nextInt(40)))
            .toList();
    RuntimeOptions options = options(backend);
    List<List<Integer>> expected = alone(options, requests);
    Speculation mtp = new Speculation(Drafts.MTP, 2, 0);
    RuntimeOptions few = options.withMaxSequences(3).withCachePages(7).withBatchTokens(48);
    try (Engine engine = open(few.withSpeculation(mtp))) {
      List<Generation> all = new ArrayList<>();
      for (GenerateRequest request : requests) {
        if (random.nextInt(4) == 0) {
          engine.generate(request).cancel();
        }
        all.add(engine.generate(request));
        if (random.nextInt(3) == 0) {
          all.get(random.nextInt(all.size())).await();
        }
      }
      assertEquals(expected, all.stream().map(g -> g.await().tokens()).toList());
      assertTrue(engine.metrics().prefixHits() > 0, "nobody began with what another had read");
    }
  }

  private static Speculation by(String model, int most) {
    return Speculation.by(new DraftModel(path(model), Optional.empty()), most, 0);
  }

  /** What the draft model keeps is taken back to where a guess was wrong. */
  @ParameterizedTest
  @MethodSource("backends")
  void aModelThatGuessesForItselfIsAlwaysRight(String backend) {
    GenerateRequest request = greedy(0, 110, 41);
    try (Engine plain = open(options(backend));
        Engine guesses = open(options(backend).withSpeculation(by(MODEL, 3)))) {
      List<Integer> expected = plain.generate(request).await().tokens();
      GenerationResult result = guesses.generate(request).await();
      assertEquals(expected, result.tokens());
      assertEquals(1, result.speculative().acceptanceRate(), 0.05);
      assertEquals(10, result.speculative().drafts(), "four tokens a step behind the first");
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void pagesOfEarlierTextsAreFoundAndForkedAndKeptInAFile(String backend, @TempDir Path folder) {
    RuntimeOptions options = options(backend).withMaxSequences(3);
    GenerateRequest request = greedy(0, 300, 10);
    List<Integer> expected;
    try (Engine engine = open(options)) {
      PromptCache cache = PromptCache.open(engine, folder.resolve("text.kv"));
      GenerationResult first = engine.generate(request).await();
      expected = first.tokens();
      GenerationResult again = engine.generate(request).await();
      assertEquals(2 * PAGE, again.timings().cachedTokens());
      assertEquals(expected, again.tokens());
      for (Generation answer : engine.generate(request, 3)) {
        assertEquals(expected, answer.await().tokens());
      }
      cache.save(request, first);
    }
    try (Engine engine = open(options)) {
      PromptCache.open(engine, folder.resolve("text.kv"));
      GenerationResult result = engine.generate(request).await();
      assertTrue(result.timings().cachedTokens() >= 2 * PAGE);
      assertEquals(expected, result.tokens());
    }
  }

  /** A prefix that ends before what is known of an earlier text begins where that knows enough. */
  @ParameterizedTest
  @ValueSource(ints = {127, 128, 129, 200, 256, 257})
  void aPromptThatPartsFromAnEarlierOneStartsAtTheLastPageTheyShare(int common) {
    IntUnaryOperator token = i -> i < common ? TEXT[i] : 3 + (TEXT[i] + 11) % 250;
    GenerateRequest other =
        GenerateRequest.of(IntStream.range(0, 300).map(token).toArray())
            .withSampling(SamplingParams.GREEDY)
            .withMaxTokens(20)
            .withIgnoreEos(true);
    RuntimeOptions options = options("reference");
    List<Integer> expected;
    try (Engine engine = open(options)) {
      expected = engine.generate(other).await().tokens();
    }
    try (Engine engine = open(options.withMaxSequences(2))) {
      engine.generate(greedy(0, 300, 10)).await();
      GenerationResult result = engine.generate(other).await();
      assertEquals(expected, result.tokens());
      int cached = result.timings().cachedTokens();
      assertTrue(cached <= common && cached % PAGE == 0, cached + " tokens cached");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"v4-f32", "gguf-v4-f32", "v4-fp8fp4"})
  void whatIsKeptIsRoundedAsInTrainingIfAsked(String name) throws IOException {
    Golden golden = Golden.named(name);
    var bytes = Files.readAllBytes(path(name).resolve("logits-qat.f32"));
    float[] expected = new float[bytes.length / Float.BYTES];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(expected);
    RuntimeOptions options =
        RuntimeOptions.of(golden.model())
            .withBackend("reference")
            .withContextLength(256)
            .withV4Qat(true)
            .withCacheEncoding(Encoding.F32);
    try (Engine engine = open(options)) {
      int vocab = engine.config().vocabSize();
      float[] logits = new float[golden.tokens().length * vocab];
      engine.logits(
          golden.tokens(),
          (position, row) -> System.arraycopy(row, 0, logits, position * vocab, vocab));
      double error = Golden.relativeError(logits, expected);
      assertTrue(error <= (golden.isF32() ? 1e-5 : 1e-3), "relative error " + error);
      double plain = Golden.relativeError(golden.logits(), expected);
      assertTrue(plain > 1e-3, "rounding is seen: " + plain);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = "llama3-f32")
  void othersWereNotTrainedSo(String model) {
    RuntimeOptions options = RuntimeOptions.of(path(model)).withV4Qat(true);
    String message = assertThrows(EngineException.class, () -> open(options)).getMessage();
    assertTrue(message.contains("v4Qat") && message.contains("DeepSeek-V4"), message);
  }

  /** The last tokens' rows that a session comes back to are those of a mark, or none. */
  @ParameterizedTest
  @MethodSource("backends")
  void aSessionComesBackToItsMarks(String backend) {
    try (Engine engine = open(options(backend));
        Session session = engine.newSession()) {
      session.prefill(Arrays.copyOf(TEXT, 150));
      Session.Mark mark = session.mark();
      int expected = decode(session);
      String message =
          assertThrows(EngineException.class, () -> session.truncate(150)).getMessage();
      assertTrue(message.contains("mark"), message);
      session.reset(mark);
      assertEquals(expected, decode(session));
    }
  }

  private static int decode(Session session) {
    int token = TEXT[150];
    int seen = 0;
    for (int i = 0; i < 20; i++) {
      token = session.decodeStep(token);
      seen = 31 * seen + token;
    }
    return seen;
  }
}
