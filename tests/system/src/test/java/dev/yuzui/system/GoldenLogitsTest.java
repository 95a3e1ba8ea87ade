package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.LogitsSink;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whole models against the float64 reference, on every backend: relative L2 error of the logits
 * over 48 positions.
 */
class GoldenLogitsTest {

  static Stream<Arguments> cases() {
    return cases(_ -> true);
  }

  static Stream<Arguments> withMtp() {
    return cases(g -> g.mtp().isPresent());
  }

  /** In others near ties may fall either way. */
  static Stream<Arguments> inF32() {
    return cases(Golden::isF32);
  }

  /** Where nothing is chosen by what the cache has rounded. */
  static Stream<Arguments> dense() {
    return cases(g -> !g.isSparse());
  }

  private static Stream<Arguments> cases(Predicate<Golden> which) {
    return Golden.all()
        .filter(which)
        .flatMap(g -> UnderTest.backends().map(b -> Arguments.of(g, b)));
  }

  /** On the cpu backend, if it is under test; products of blocks round to eight bits. */
  static Stream<Golden> ofNumbers() {
    return Golden.all().filter(g -> !g.hasBlocks() && UnderTest.backends().anyMatch("cpu"::equals));
  }

  private static double tolerance(Golden golden, String backend) {
    if (!golden.isF32()) {
      double halves = golden.isMixed() ? 4e-3 : 2e-3; // its attention is the sharper
      return backend.equals("cuda") ? halves : 1e-3; // which multiplies prompts in F16
    }
    return backend.equals("reference") ? 1e-5 : 1e-4;
  }

  /** Without eight-bit activations, which repacked weights are multiplied by. */
  private static Engine open(Golden golden, String backend, int batch, Encoding cache) {
    return open(golden, backend, batch, cache, false);
  }

  private static Engine open(
      Golden golden, String backend, int batch, Encoding cache, boolean repack) {
    return Engine.open(
        UnderTest.on(
            backend,
            RuntimeOptions.of(golden.model())
                .withThreads(2)
                .withContextLength(256)
                .withBatchTokens(batch)
                .withPageTokens(8)
                .withRepack(repack)
                .withCacheEncoding(cache)),
        LoadProgress.none());
  }

  private static int engineEntry(Golden golden) {
    try (Checkpoint checkpoint = Checkpoints.open(golden.model())) {
      return checkpoint.config().cacheEntry();
    }
  }

  private static float[] collect(
      int rows, int vocab, BiConsumer<Engine, LogitsSink> what, Engine engine) {
    float[] all = new float[rows * vocab];
    what.accept(engine, (position, row) -> System.arraycopy(row, 0, all, position * vocab, vocab));
    return all;
  }

  private static float[] logits(Engine engine, int[] tokens) {
    return collect(
        tokens.length, engine.config().vocabSize(), (e, sink) -> e.logits(tokens, sink), engine);
  }

  private static float[] mtpLogits(Engine engine, Golden golden) {
    return collect(
        golden.tokens().length - 1,
        engine.config().vocabSize(),
        (e, sink) -> e.mtpLogits(golden.tokens(), sink),
        engine);
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void logitsOfAPromptReadInOneStep(Golden golden, String backend) {
    try (Engine engine = open(golden, backend, 64, Encoding.F32)) {
      double error = Golden.relativeError(logits(engine, golden.tokens()), golden.logits());
      assertTrue(error <= tolerance(golden, backend), "relative error " + error);
    }
  }

  /** Of numbers; with weights in blocks see {@link RoundedActivationsTest}. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("ofNumbers")
  void repackedWeightsGiveTheSame(Golden golden) {
    for (int batch : new int[] {64, 7, 1}) {
      try (Engine engine = open(golden, "cpu", batch, Encoding.F32, true)) {
        double error = Golden.relativeError(logits(engine, golden.tokens()), golden.logits());
        assertTrue(
            error <= tolerance(golden, "cpu"), "batch " + batch + ": relative error " + error);
        if (golden.mtp().isPresent()) {
          double mtp = Golden.relativeError(mtpLogits(engine, golden), golden.mtp().orElseThrow());
          assertTrue(
              mtp <= tolerance(golden, "cpu"), "batch " + batch + ", MTP: relative error " + mtp);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void logitsOfAPromptReadInChunksOfSeven(Golden golden, String backend) {
    try (Engine engine = open(golden, backend, 7, Encoding.F32)) {
      double error = Golden.relativeError(logits(engine, golden.tokens()), golden.logits());
      assertTrue(error <= tolerance(golden, backend), "relative error " + error);
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("withMtp")
  void logitsOfTheMtpLayer(Golden golden, String backend) {
    for (int batch : new int[] {64, 5}) {
      try (Engine engine = open(golden, backend, batch, Encoding.F32)) {
        double error = Golden.relativeError(mtpLogits(engine, golden), golden.mtp().orElseThrow());
        assertTrue(error <= tolerance(golden, backend), "relative error " + error);
      }
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("inF32")
  void greedyContinuation(Golden golden, String backend) {
    try (Engine engine = open(golden, backend, 64, Encoding.F32)) {
      List<Integer> prompt = Arrays.stream(golden.tokens()).limit(golden.prompt()).boxed().toList();
      GenerateRequest request =
          GenerateRequest.of(prompt)
              .withSampling(SamplingParams.GREEDY)
              .withMaxTokens(golden.greedy().size())
              .withIgnoreEos(true);
      GenerationResult result = engine.generate(request).await();
      assertEquals(golden.greedy(), result.tokens());
    }
  }

  /** Other rows are left behind before the last layer's end, where no MTP layer wants them. */
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void logitsOfTheLastRowAlone(Golden golden, String backend) {
    int vocab = golden.logits().length / golden.tokens().length;
    try (Engine engine = open(golden, backend, 64, Encoding.F32)) {
      for (int n : new int[] {20, golden.tokens().length}) { // the second goes on behind the first
        List<Integer> prompt = Arrays.stream(golden.tokens()).limit(n).boxed().toList();
        GenerateRequest request =
            GenerateRequest.of(prompt)
                .withSampling(SamplingParams.GREEDY)
                .withMaxTokens(1)
                .withIgnoreEos(true)
                .withLogprobs(TokenLogprobs.MOST);
        TokenLogprobs told = engine.generate(request).await().logprobs().getFirst();
        float[] logits = Arrays.copyOfRange(golden.logits(), (n - 1) * vocab, n * vocab);
        double scale = Math.sqrt(sumOfSquares(logits) / vocab);
        for (TokenLogprobs.Entry entry : told.top()) {
          double expected = TokenLogprobs.of(logits, entry.token(), 0).drawn().logprob();
          assertEquals(expected, entry.logprob(), 10 * tolerance(golden, backend) * scale);
        }
      }
    }
  }

  private static double sumOfSquares(float[] values) {
    double sum = 0;
    for (float v : values) {
      sum += (double) v * v;
    }
    return sum;
  }

  private static Set<Encoding> caches(String name) {
    UnderTest.requireUsable(name);
    try (Backend backend = Backends.named(name).open(BackendOptions.defaults())) {
      return backend.capabilities().caches();
    }
  }

  /**
   * A half-precision or 8-bit cache costs a little accuracy, never sense; where nothing else does,
   * it shows that there is one.
   */
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("dense")
  void smallerCachesStayClose(Golden golden, String backend) {
    var bounds =
        new Object[][] {
          {Encoding.F16, golden.isMixed() ? 4e-3 : 2e-3}, // beside prompts in F16 on cuda
          {Encoding.BF16, 4e-2},
          {Encoding.E4M3, golden.isMixed() ? 3e-1 : 2e-1}, // whose attention is the sharper
          {new Encoding.Q8_0(), 3e-2}
        };
    Set<Encoding> kept = caches(backend);
    for (Object[] bound : bounds) {
      Encoding cache = (Encoding) bound[0];
      if (!kept.contains(cache) || engineEntry(golden) % cache.blockElements() != 0) {
        continue; // most goldens' entries of 32 + 8 numbers are no whole Q8_0 blocks
      }
      try (Engine engine = open(golden, backend, 64, cache)) {
        double error = Golden.relativeError(logits(engine, golden.tokens()), golden.logits());
        assertTrue(error <= (double) bound[1], cache.label() + ": relative error " + error);
        assertTrue(
            error > (double) bound[1] / 100 || !golden.isF32(),
            cache.label() + ": relative error " + error + ", as if the cache were of F32");
      }
    }
  }
}
