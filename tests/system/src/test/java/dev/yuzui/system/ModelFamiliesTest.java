package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.PromptCache;
import dev.yuzui.engine.api.DraftModel;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
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
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Steps, pages, prefixes and guesses are shared whatever the attention: grouped-query, or over
 * entries that an indexer chose.
 */
@Timeout(600)
class ModelFamiliesTest {
  private static final int[] TEXT = IntStream.range(0, 60).map(i -> 3 + i * 37 % 200).toArray();

  static Stream<Arguments> models() {
    return UnderTest.backends()
        .flatMap(
            backend ->
                Stream.of("llama3-f32", "qwen3-f32", "moe-f32", "v32-f32", "glm5-f32")
                    .map(model -> Arguments.of(backend, model)));
  }

  private static RuntimeOptions options(String backend, String model) {
    return UnderTest.on(
        backend,
        RuntimeOptions.of(path(model))
            .withThreads(2)
            .withContextLength(64)
            .withPageTokens(4)
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

  private static List<List<Integer>> texts(Engine engine) {
    List<Generation> all =
        IntStream.range(0, 6)
            .mapToObj(i -> engine.generate(greedy(i, i + 2 + 5 * i, 20 - i)))
            .toList();
    return all.stream().map(g -> g.await().tokens()).toList();
  }

  private static List<List<Integer>> alone(RuntimeOptions options) {
    try (Engine engine = open(options)) {
      return texts(engine);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void sequencesThatShareStepsAndGiveWayMakeWhatEachMakesAlone(String backend, String model) {
    RuntimeOptions options = options(backend, model);
    List<List<Integer>> expected = alone(options);
    try (Engine engine = open(options.withMaxSequences(6).withCachePages(20))) {
      assertEquals(expected, texts(engine));
      assertTrue(engine.metrics().preemptions() > 0, "no one had to give way");
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void guessesChangeNothing(String backend, String model) {
    RuntimeOptions options = options(backend, model);
    List<List<Integer>> expected = alone(options);
    List<Speculation> ways =
        new ArrayList<>(
            List.of(new Speculation(Drafts.NGRAM, 4, 0), by(model, 3, 0), by("v2lite-f32", 2, 0)));
    if (model.equals("v32-f32")) { // the one with an MTP layer
      ways.add(new Speculation(Drafts.MTP, 2, 0));
    }
    for (Speculation how : ways) {
      try (Engine engine = open(options.withMaxSequences(6).withSpeculation(how))) {
        assertEquals(expected, texts(engine), how::toString);
        boolean repeats = how.drafts() != Drafts.NGRAM; // no text has to
        assertTrue(!repeats || engine.metrics().draftTokens() > 0, how::toString);
      }
    }
  }

  private static Speculation by(String model, int most, double leastProbable) {
    return Speculation.by(new DraftModel(path(model), Optional.empty()), most, leastProbable);
  }

  @ParameterizedTest
  @MethodSource("models")
  void aModelThatGuessesForItselfIsAlwaysRight(String backend, String model) {
    RuntimeOptions options = options(backend, model);
    GenerateRequest request = greedy(0, 9, 41);
    try (Engine plain = open(options);
        Engine guesses = open(options.withSpeculation(by(model, 3, 0)))) {
      List<Integer> expected = plain.generate(request).await().tokens();
      GenerationResult result = guesses.generate(request).await();
      assertEquals(expected, result.tokens());
      assertEquals(1, result.speculative().acceptanceRate(), 0.05);
      assertEquals(10, result.speculative().drafts(), "four tokens a step behind the first");
      GenerateRequest sampled = request.withSampling(SamplingParams.DEFAULT.withSeed(7));
      assertEquals(
          plain.generate(sampled).await().tokens(), guesses.generate(sampled).await().tokens());
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void pagesOfEarlierTextsAreFoundAndForkedAndKeptInAFile(
      String backend, String model, @TempDir Path folder) {
    RuntimeOptions options = options(backend, model).withMaxSequences(3);
    GenerateRequest request = greedy(0, 17, 10);
    List<Integer> expected;
    try (Engine engine = open(options)) {
      PromptCache cache = PromptCache.open(engine, folder.resolve("text.kv"));
      GenerationResult first = engine.generate(request).await();
      expected = first.tokens();
      GenerationResult again = engine.generate(request).await();
      assertEquals(16, again.timings().cachedTokens());
      assertEquals(expected, again.tokens());
      for (Generation answer : engine.generate(request, 3)) {
        assertEquals(expected, answer.await().tokens());
      }
      assertEquals(24, cache.save(request, first));
    }
    try (Engine engine = open(options)) {
      PromptCache.open(engine, folder.resolve("text.kv"));
      GenerationResult result = engine.generate(request).await();
      assertEquals(16, result.timings().cachedTokens());
      assertEquals(expected, result.tokens());
    }
  }
}
