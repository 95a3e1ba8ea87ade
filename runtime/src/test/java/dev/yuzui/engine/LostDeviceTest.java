package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.kit.FailingProvider;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoints;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A device of several fails in the middle of a run. */
@Timeout(600)
class LostDeviceTest {
  private static final Path MODEL =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden/v3-f32");
  private static final int REQUESTS = 6;

  @BeforeEach
  @AfterEach
  void heal() {
    FailingProvider.allGoOn();
  }

  private static Engine open(int devices, Distribution distribution) {
    FailingProvider provider = new FailingProvider();
    return Engine.open(
        Checkpoints.open(MODEL),
        IntStream.range(0, devices)
            .mapToObj(d -> new Device("failing:" + d, provider, Optional.of("failing:" + d)))
            .toList(),
        RuntimeOptions.of(MODEL)
            .withContextLength(64)
            .withPageTokens(4)
            .withCacheEncoding(Encoding.F32)
            .withMaxSequences(REQUESTS)
            .withDistribution(distribution),
        LoadProgress.none());
  }

  private static Distribution everyExpertTwice(Engine one) {
    return Distribution.LAYERS
        .withExpertParallel()
        .withRedundantExperts(one.config().gate().experts());
  }

  private static List<Generation> ask(Engine engine) {
    List<Generation> generations = new ArrayList<>();
    for (int i = 0; i < REQUESTS; i++) {
      generations.add(
          engine.generate(
              GenerateRequest.of(IntStream.range(10 * i, 10 * i + 12).toArray())
                  .withSampling(SamplingParams.GREEDY)
                  .withMaxTokens(20)
                  .withIgnoreEos(true)));
    }
    return generations;
  }

  /** Tokens, or why there are none. */
  private static Object outcome(Generation generation) {
    try {
      return generation.await().tokens();
    } catch (EngineException e) {
      return e.getMessage();
    }
  }

  /** Two devices hold all experts each, three some of them. */
  @ParameterizedTest
  @CsvSource({"2, 10", "3, 60"})
  void itsRequestsFailAndTheOthersGetWhatTheyWouldHaveGot(int devices, int synchronizations) {
    List<Object> whole;
    Distribution twice;
    try (Engine engine = open(1, Distribution.LAYERS)) {
      whole = ask(engine).stream().map(LostDeviceTest::outcome).toList();
      twice = everyExpertTwice(engine);
    }
    try (Engine engine = open(devices, twice)) {
      FailingProvider.failAfter(1, synchronizations);
      List<Object> found = ask(engine).stream().map(LostDeviceTest::outcome).toList();
      int lost = 0;
      for (int i = 0; i < REQUESTS; i++) {
        if (found.get(i) instanceof String why) {
          assertTrue(why.startsWith("failing:1 failed"), why);
          lost++;
        } else {
          assertEquals(whole.get(i), found.get(i));
        }
      }
      assertTrue(lost > 0 && lost < REQUESTS, lost + " requests were on the device that failed");
      // and it takes others
      assertEquals(whole, ask(engine).stream().map(LostDeviceTest::outcome).toList());
    }
  }

  @Test
  void withoutReplicasTheEngineEnds() {
    try (Engine engine = open(2, Distribution.LAYERS.withExpertParallel())) {
      FailingProvider.failAfter(1, 60);
      for (Generation generation : ask(engine)) {
        EngineException e = assertThrows(EngineException.class, generation::await);
        assertTrue(e.getMessage().contains("failing:1 failed"), e.getMessage());
        assertTrue(e.getMessage().contains("Distribution.redundantExperts"), e.getMessage());
        assertFalse(e.getMessage().contains("null"), e.getMessage());
      }
    }
  }

  @Test
  void aLayersDeviceEndsTheEngine() {
    try (Engine engine = open(2, Distribution.LAYERS)) {
      FailingProvider.failAfter(1, 5);
      for (Generation generation : ask(engine)) {
        EngineException e = assertThrows(EngineException.class, generation::await);
        assertTrue(e.getMessage().contains("failing:1 failed"), e.getMessage());
      }
    }
  }
}
