package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.weights.Checkpoints;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PromptCacheTest {
  /** With an MTP layer. */
  private static final Path MODEL =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden/v3-f32");

  private static final RuntimeOptions OPTIONS =
      RuntimeOptions.of(MODEL).withContextLength(64).withPageTokens(4);

  @TempDir private Path folder;
  private Path file;

  @BeforeEach
  void name() {
    file = folder.resolve("tale.kv");
  }

  private static Engine open(RuntimeOptions options) {
    return Engine.open(
        Checkpoints.open(MODEL),
        List.of(Device.of(new ReferenceProvider())),
        options,
        LoadProgress.none());
  }

  /** 17 tokens, and 10 to be made. */
  private static GenerateRequest tale(int first) {
    return GenerateRequest.of(IntStream.range(first, first + 17).toArray())
        .withSampling(SamplingParams.GREEDY)
        .withIgnoreEos(true)
        .withMaxTokens(10);
  }

  /** What a request makes, kept in the file. */
  private GenerationResult kept(RuntimeOptions options, GenerateRequest request) {
    try (Engine engine = open(options)) {
      PromptCache cache = PromptCache.open(engine, file);
      GenerationResult result = engine.generate(request).await();
      cache.save(request, result);
      return result;
    }
  }

  @Test
  void anotherEngineReadsOnlyWhatIsBehindTheLastFullPage() {
    GenerationResult first = kept(OPTIONS, tale(20));
    assertEquals(0, first.timings().cachedTokens());
    GenerationResult second = kept(OPTIONS, tale(20));
    assertEquals(first.tokens(), second.tokens());
    assertEquals(16, second.timings().cachedTokens());
    assertEquals(1, second.timings().promptTokens());
  }

  @Test
  void aTextThatGoesOnFindsTheAnswerToo() {
    GenerationResult first = kept(OPTIONS, tale(20));
    List<Integer> all =
        IntStream.concat(
                IntStream.range(20, 37), first.tokens().stream().mapToInt(Integer::intValue))
            .boxed()
            .toList();
    GenerateRequest more = GenerateRequest.of(all).withMaxTokens(1);
    // of 17 + 10 tokens the last is read by nobody, and 26 entries fill six pages
    assertEquals(24, kept(OPTIONS, more).timings().cachedTokens());
  }

  @Test
  void theFileIsWrittenOnlyWhereItLacksSomething() throws IOException {
    try (Engine engine = open(OPTIONS)) {
      PromptCache cache = PromptCache.open(engine, file);
      GenerateRequest request = tale(20);
      GenerationResult result = engine.generate(request).await();
      assertEquals(24, cache.save(request, result));
      byte[] before = Files.readAllBytes(file);
      assertEquals(0, cache.save(request, result));
      assertEquals(0, PromptCache.open(engine, file).save(request, result));
      GenerateRequest shorter = GenerateRequest.of(request.prompt().subList(0, 9));
      assertEquals(0, cache.save(shorter.withMaxTokens(0), result));
      assertArrayEquals(before, Files.readAllBytes(file));
      GenerateRequest other = tale(40);
      assertEquals(24, cache.save(other, engine.generate(other).await()));
    }
    assertEquals(16, kept(OPTIONS, tale(40)).timings().cachedTokens());
    assertEquals(0, kept(OPTIONS, tale(20)).timings().cachedTokens());
  }

  @Test
  void aTextThatFillsNoPageMakesNoFile() {
    kept(OPTIONS, GenerateRequest.of(1, 2).withMaxTokens(1));
    assertFalse(Files.exists(file));
  }

  @ParameterizedTest
  @CsvSource({"NONE,MTP", "MTP,NONE", "MTP,MTP"})
  void whoGuessesMayDiffer(Drafts writer, Drafts reader) {
    List<Integer> expected = kept(OPTIONS, tale(20)).tokens();
    file = folder.resolve("guessed.kv");
    kept(guessing(writer), tale(20));
    for (int i = 0; i < 2; i++) {
      GenerationResult result = kept(guessing(reader), tale(20));
      assertEquals(expected, result.tokens());
      assertEquals(16, result.timings().cachedTokens());
      assertEquals(reader == Drafts.MTP, result.speculative().draftTokens() > 0);
    }
  }

  private static RuntimeOptions guessing(Drafts drafts) {
    return drafts == Drafts.NONE ? OPTIONS : OPTIONS.withSpeculation(new Speculation(drafts, 2, 0));
  }

  @Test
  void guessesAreAsGoodAsWithoutTheFile() {
    GenerationResult without = kept(guessing(Drafts.MTP), tale(20));
    GenerationResult with = kept(guessing(Drafts.MTP), tale(20));
    assertEquals(without.speculative(), with.speculative());
  }

  @Test
  void savingUnderLoadDisturbsNobody() {
    List<Integer> expected = kept(OPTIONS, tale(20)).tokens();
    try (Engine engine = open(OPTIONS.withMaxSequences(3))) {
      PromptCache cache = PromptCache.open(engine, file);
      GenerateRequest request = tale(40);
      GenerationResult result = engine.generate(request).await();
      List<Generation> beside = List.of(engine.generate(tale(20)), engine.generate(tale(20)));
      assertEquals(24, cache.save(request, result));
      beside.forEach(generation -> assertEquals(expected, generation.await().tokens()));
    }
  }

  @Test
  void aSequenceAndPagesAreNeeded() {
    kept(OPTIONS, tale(20));
    try (Engine engine = open(OPTIONS.withMaxSequences(2).withCachePages(16));
        Session session = engine.newSession()) {
      session.assume(48);
      String message =
          assertThrows(EngineException.class, () -> PromptCache.open(engine, file)).getMessage();
      assertTrue(message.startsWith(file + ": 6 pages are needed and 4 of 16 are free"), message);
    }
    try (Engine engine = open(OPTIONS)) {
      try (Session _ = engine.newSession()) {
        String message =
            assertThrows(EngineException.class, () -> PromptCache.open(engine, file)).getMessage();
        assertTrue(message.contains("all 1 sequences of the KV cache are open"), message);
      }
      PromptCache.open(engine, file);
    }
  }
}
