package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.compare.Agreement;
import dev.yuzui.compare.Comparison;
import dev.yuzui.compare.Phase;
import dev.yuzui.compare.Reading;
import dev.yuzui.compare.Trace;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.model.Point;
import dev.yuzui.spi.Encoding;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every backend computes every part of a model as the reference does, given the same numbers. */
class ComparisonTest {

  static Stream<Arguments> cases() {
    return Golden.all().flatMap(g -> UnderTest.backends().map(b -> Arguments.of(g, b)));
  }

  private static RuntimeOptions options(Golden golden) {
    return RuntimeOptions.of(golden.model())
        .withThreads(2)
        .withContextLength(64)
        .withBatchTokens(Engine.OBSERVED_TOKENS)
        .withCacheEncoding(Encoding.F32);
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void everyPartIsWithinItsBound(Golden golden, String backend) {
    int[] prompt = Arrays.copyOf(golden.tokens(), 20);
    Trace trace;
    try (Engine reference =
        Engine.open(options(golden).withBackend("reference"), LoadProgress.none())) {
      trace = Trace.of(reference, prompt, 2);
    }
    try (Engine engine = Engine.open(UnderTest.on(backend, options(golden)), LoadProgress.none())) {
      Comparison comparison = Comparison.of(engine, trace);
      assertTrue(comparison.within(), comparison.verdict().toString());
      // of the MTP layers the first: the others start from its states
      int layers = engine.config().layers() + Math.min(1, engine.config().mtpLayers());
      for (Phase phase : Phase.values()) {
        assertEquals(layers, comparison.layers(phase).size(), "layers that were compared");
      }
      assertEquals(
          golden.chooses(),
          comparison.readings().stream().anyMatch(r -> r.place().point() == Point.CHOSEN_ENTRIES),
          "whether choices of entries were compared");
      if (golden.isF32()) {
        List<Agreement> logits = comparison.agreements();
        assertTrue(logits.stream().allMatch(a -> a.kl() < 1e-6), logits.toString());
      }
    }
  }

  /** The trace's keys were not rounded, those of the engine are: some entries trade places. */
  @ParameterizedTest(name = "{0}, keys of {1}")
  @CsvSource({"v32-f32, F16", "glm5-f32, BF16", "v32-f32, E4M3"})
  void nearTiesOfSparseAttentionAreNoFault(String model, String cache) {
    Golden golden = Golden.named(model);
    int[] prompt = new SplittableRandom(3).ints(250, 0, 256).toArray();
    RuntimeOptions options = options(golden).withContextLength(256);
    Trace trace;
    try (Engine exact = Engine.open(options.withBackend("reference"), LoadProgress.none())) {
      trace = Trace.of(exact, prompt, 2);
    }
    RuntimeOptions rounding =
        options.withBackend("cpu").withCacheEncoding(Encoding.byLabel(cache).orElseThrow());
    try (Engine engine = Engine.open(rounding, LoadProgress.none())) {
      Comparison comparison = Comparison.of(engine, trace);
      if (!cache.equals("E4M3")) { // of eight bits more is lost than where both round alike
        assertTrue(comparison.within(), comparison.verdict().toString());
      }
      List<Reading> choices =
          comparison.readings().stream()
              .filter(r -> r.place().point() == Point.CHOSEN_ENTRIES)
              .toList();
      assertTrue(
          choices.stream().anyMatch(r -> r.isolated().relative() > 0),
          "the test's own: no choice is another");
      for (Reading choice : choices) {
        assertTrue(choice.within() && choice.isolated().relative() < 0.2, choice.toString());
      }
    }
  }
}
