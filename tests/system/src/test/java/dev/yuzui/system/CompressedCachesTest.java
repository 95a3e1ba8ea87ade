package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What DeepSeek-V4 keeps, in fewer bits than F32, on every backend: by the type of the cache, or as
 * in training.
 */
class CompressedCachesTest {

  private static final Map<Encoding, Double> BOUNDS =
      Map.of(
          Encoding.F16,
          4e-3,
          Encoding.BF16,
          4e-2,
          Encoding.E4M3,
          3e-1,
          new Encoding.Q8_0(),
          1.5e-1);

  static Stream<String> backends() {
    return UnderTest.backends();
  }

  static Stream<Arguments> cases() {
    return Stream.of("v4-f32", "v4-fp8fp4")
        .map(Golden::named)
        .flatMap(g -> UnderTest.backends().map(b -> Arguments.of(g, b)));
  }

  private static RuntimeOptions options(Golden golden, String backend) {
    return UnderTest.on(backend, RuntimeOptions.of(golden.model()));
  }

  /** In steps of that many tokens; the window is 16. */
  private static double error(Golden golden, RuntimeOptions options, float[] expected, int batch) {
    RuntimeOptions all =
        options.withThreads(2).withContextLength(256).withBatchTokens(batch).withRepack(false);
    try (Engine engine = Engine.open(all, LoadProgress.none())) {
      int vocab = engine.config().vocabSize();
      float[] logits = new float[golden.tokens().length * vocab];
      engine.logits(
          golden.tokens(),
          (position, row) -> System.arraycopy(row, 0, logits, position * vocab, vocab));
      return Golden.relativeError(logits, expected);
    }
  }

  private static Set<Encoding> caches(String name) {
    UnderTest.requireUsable(name);
    try (Backend backend = Backends.named(name).open(BackendOptions.defaults())) {
      return backend.capabilities().caches();
    }
  }

  @ParameterizedTest(name = "on {0}")
  @MethodSource("backends")
  void smallerCachesStayClose(String backend) {
    Golden golden = Golden.named("v4-f32");
    for (Encoding cache : caches(backend)) {
      if (cache.equals(Encoding.F32)) {
        continue; // see GoldenLogitsTest
      }
      RuntimeOptions options = options(golden, backend).withCacheEncoding(cache);
      double bound = BOUNDS.get(cache);
      double error = error(golden, options, golden.logits(), 7);
      assertTrue(error <= bound, cache.label() + ": relative error " + error);
      assertTrue(
          error > bound / 100,
          cache.label() + ": relative error " + error + ", as if the cache were of F32");
    }
  }

  /**
   * What is rounded so is 0.14 to 0.18 off what is not; products of halves, as cuda's of prompts
   * are, round a few numbers the other way.
   */
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void roundedAsInTraining(Golden golden, String backend) throws IOException {
    float[] expected = new float[golden.logits().length];
    ByteBuffer.wrap(Files.readAllBytes(golden.model().resolve("logits-qat.f32")))
        .order(ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer()
        .get(expected);
    RuntimeOptions options =
        options(golden, backend).withV4Qat(true).withCacheEncoding(Encoding.F32);
    double error = error(golden, options, expected, 40);
    assertTrue(error <= (golden.isF32() ? 1e-3 : 1e-2), "relative error " + error);
  }
}
