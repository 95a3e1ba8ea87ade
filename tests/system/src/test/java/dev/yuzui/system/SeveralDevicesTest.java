package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.Distribution.Split;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
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
import java.util.OptionalLong;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A model laid over several devices says what it says on one. */
@Timeout(600)
class SeveralDevicesTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");
  private static final int[] TEXT = IntStream.range(0, 40).map(i -> 3 + (i * 37) % 200).toArray();

  private static Distribution distribution(boolean expertParallel, Split split) {
    return new Distribution(expertParallel, split, 0, 0, OptionalLong.empty(), 0, Optional.empty());
  }

  private enum Way {
    EXPERT_PARALLEL(distribution(true, Split.EXPERT)),
    EXPERTS_APART(distribution(false, Split.EXPERT)),
    LAYERS(distribution(false, Split.LAYER));

    private final Distribution distribution;

    Way(Distribution distribution) {
      this.distribution = distribution;
    }
  }

  /**
   * Ways to lay a model over 1, 2, 3, 4 and 8 devices of each backend, and over several backends.
   */
  static Stream<Arguments> layouts() {
    return layouts(1, 2, 3, 4, 8);
  }

  static Stream<Arguments> someLayouts() {
    return layouts(2, 3);
  }

  private static Stream<Arguments> layouts(int... counts) {
    List<Arguments> all = new ArrayList<>();
    List<String> backends = UnderTest.backends().toList();
    for (Way way : Way.values()) {
      for (String backend : backends) {
        for (int devices : counts) {
          if (devices > 1 || way != Way.EXPERT_PARALLEL) {
            all.add(Arguments.of(way, UnderTest.devices(backend, devices)));
          }
        }
      }
      List<String> usable = backends.stream().filter(UnderTest::usable).toList();
      if (usable.size() > 1) {
        all.add(Arguments.of(way, usable));
      }
    }
    return all.stream();
  }

  private static RuntimeOptions options(String model) {
    return RuntimeOptions.of(GOLDEN.resolve(model))
        .withThreads(2)
        .withContextLength(64)
        .withPageTokens(4)
        .withRepack(false)
        .withCacheEncoding(Encoding.F32);
  }

  private static Engine open(RuntimeOptions options) {
    return Engine.open(options, LoadProgress.none());
  }

  private static RuntimeOptions laid(RuntimeOptions options, Way way, List<String> devices) {
    return options.withDevices(devices).withDistribution(way.distribution);
  }

  /** On the first device alone. */
  private static RuntimeOptions alone(RuntimeOptions options, List<String> devices) {
    return options.withDevices(devices.subList(0, 1));
  }

  private static List<float[]> logits(Engine engine, boolean mtp) {
    List<float[]> rows = new ArrayList<>();
    if (mtp) {
      engine.mtpLogits(TEXT, (_, row) -> rows.add(row.clone()));
    } else {
      engine.logits(TEXT, (_, row) -> rows.add(row.clone()));
    }
    return rows;
  }

  private static void assertClose(List<float[]> expected, List<float[]> actual) {
    assertEquals(expected.size(), actual.size());
    for (int i = 0; i < expected.size(); i++) {
      assertArrayEquals(expected.get(i), actual.get(i), 1e-4f, "row " + i);
    }
  }

  @ParameterizedTest
  @MethodSource("layouts")
  void theLogitsAreThoseOfOneDevice(Way way, List<String> devices) {
    UnderTest.requireUsable(devices);
    RuntimeOptions options = options("v3-f32");
    List<float[]> main;
    List<float[]> mtp;
    try (Engine one = open(alone(options, devices))) {
      main = logits(one, false);
      mtp = logits(one, true);
    }
    try (Engine several = open(laid(options, way, devices))) {
      assertClose(main, logits(several, false));
      assertClose(mtp, logits(several, true));
    }
  }

  /**
   * With other attention, also layers that share a choice; what has no experts has its layers
   * apart.
   */
  @ParameterizedTest
  @MethodSource("someLayouts")
  void otherFamiliesSayWhatTheySayOnOneDevice(Way way, List<String> devices) {
    UnderTest.requireUsable(devices);
    List<String> models =
        way == Way.LAYERS
            ? List.of("moe-f32", "llama3-f32", "glm5-f32", "v4-f32")
            : List.of("moe-f32", "glm5-f32", "v4-f32");
    for (String model : models) {
      RuntimeOptions options = options(model);
      List<float[]> logits;
      List<List<Integer>> texts;
      try (Engine one = open(alone(options, devices))) {
        logits = logits(one, false);
        texts = texts(one, 3);
      }
      try (Engine several = open(laid(options.withMaxSequences(3), way, devices))) {
        assertClose(logits, logits(several, false));
        assertEquals(texts, texts(several, 3), model);
      }
    }
  }

  private static List<List<Integer>> texts(Engine engine, int requests) {
    List<Generation> generations = new ArrayList<>();
    for (int i = 0; i < requests; i++) {
      generations.add(
          engine.generate(
              GenerateRequest.of(Arrays.copyOfRange(TEXT, i, i + 1 + 5 * i))
                  .withSampling(SamplingParams.GREEDY)
                  .withMaxTokens(16 - i)
                  .withIgnoreEos(true)));
    }
    return generations.stream().map(g -> g.await().tokens()).toList();
  }

  @ParameterizedTest
  @MethodSource("someLayouts")
  void aBatchGetsTheTokensOfOneDevice(Way way, List<String> devices) {
    UnderTest.requireUsable(devices);
    RuntimeOptions options = options("v3-f32");
    List<List<Integer>> expected;
    try (Engine one = open(alone(options, devices))) {
      expected = texts(one, 6);
    }
    try (Engine several = open(laid(options.withMaxSequences(6), way, devices))) {
      assertEquals(expected, texts(several, 6));
    }
  }

  @ParameterizedTest
  @MethodSource("someLayouts")
  void guessesChangeNothing(Way way, List<String> devices) {
    UnderTest.requireUsable(devices);
    RuntimeOptions options = options("v3-f32").withSpeculation(new Speculation(Drafts.MTP, 2, 0));
    List<List<Integer>> expected;
    try (Engine one = open(alone(options("v3-f32"), devices))) {
      expected = texts(one, 3);
    }
    try (Engine several = open(laid(options.withMaxSequences(3), way, devices))) {
      assertEquals(expected, texts(several, 3));
    }
  }
}
