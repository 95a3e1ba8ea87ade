package dev.yuzui.engine.step;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.KvCaches;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.Observer;
import dev.yuzui.model.ModelLoader;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.DeepseekConfig;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Steps of several sequences with several tokens each give each row what it would get alone. */
class ModelRunnerTest {
  private static final int[] A = {256, 5, 17, 200, 31, 8, 90, 41, 77, 12, 3, 250};
  private static final int[] B = {256, 99, 98, 97, 96, 95, 94};

  private Checkpoint checkpoint;
  private Backend backend;
  private DeviceGroup group;
  private ModelLoader.Loaded loaded;
  private KvCacheStore cache;
  private ModelRunner runner;
  private int vocab;
  private int recordings;

  @BeforeEach
  void open() {
    Path golden =
        Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden/v3-f32");
    checkpoint = Checkpoints.open(golden);
    vocab = checkpoint.config().vocabSize();
    backend =
        watched(
            Backend.class, new ReferenceProvider().open(BackendOptions.defaults()), "openQueue");
    group = new DeviceGroup(List.of(new DeviceGroup.Member("reference", backend)));
    loaded =
        ModelLoader.load(
            checkpoint, group, plan(), Optional.empty(), 32, Encoding.F32, false, bytes -> {});
    cache =
        new KvCacheStore(
            backend,
            checkpoint.config().layers() + checkpoint.config().mtpLayers(),
            checkpoint.config().cacheEntry(),
            Encoding.F32,
            4,
            32,
            4);
    runner =
        new ModelRunner(group, Optional.empty(), loaded.ranks(), new KvCaches(List.of(cache)), 32);
  }

  /** {@code real}, whose queues count their recordings. */
  private <T> T watched(Class<T> type, T real, String opens) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> {
              if (method.getName().equals("begin")) {
                recordings++;
              }
              try {
                Object result = method.invoke(real, arguments);
                return method.getName().equals(opens)
                    ? watched(DeviceQueue.class, (DeviceQueue) result, "")
                    : result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            }));
  }

  private DevicePlan plan() {
    return DevicePlan.single(
        IntStream.range(0, checkpoint.config().layers() + checkpoint.config().mtpLayers())
            .mapToObj(checkpoint.config()::isMoe)
            .toList(),
        checkpoint.config().gate().experts());
  }

  @AfterEach
  void close() {
    runner.close();
    cache.close();
    loaded.close();
    group.close();
    backend.close();
    checkpoint.close();
  }

  private float[] row(int index) {
    float[] out = new float[vocab];
    runner.logits(index, out);
    return out;
  }

  /** Logits of the last of {@code tokens} read alone, in one step. */
  private float[] alone(int... tokens) {
    try (Sequence s = cache.openSequence()) {
      runner.run(List.of(new Chunk(s, tokens, Outputs.LAST)));
      return row(0);
    }
  }

  private static void assertClose(float[] expected, float[] actual) {
    assertArrayEquals(expected, actual, 2e-5f);
  }

  @Test
  void aShapeIsRecordedWhenItComesForTheSecondTime() {
    float[] first = alone(A);
    assertEquals(0, recordings);
    for (int i = 0; i < 3; i++) {
      assertArrayEquals(first, alone(A));
      assertEquals(1, recordings);
    }
    alone(B);
    assertEquals(1, recordings, "another shape");
  }

  @Test
  void aPromptAndADecodingSequenceShareAStep() {
    float[] wantA = alone(A);
    float[] wantB = alone(B);
    try (Sequence a = cache.openSequence();
        Sequence b = cache.openSequence()) {
      runner.run(List.of(new Chunk(a, Arrays.copyOf(A, 11), Outputs.NONE)));
      runner.run(
          List.of(new Chunk(b, B, Outputs.LAST), new Chunk(a, new int[] {A[11]}, Outputs.LAST)));
      assertClose(wantB, row(0));
      assertClose(wantA, row(1));
    }
  }

  @Test
  void severalDraftsAreVerifiedInOneStepAndRolledBack() {
    int[] wrong = Arrays.copyOf(A, 10);
    wrong[8] = 123;
    wrong[9] = 124;
    try (Sequence s = cache.openSequence()) {
      runner.run(List.of(new Chunk(s, Arrays.copyOf(A, 7), Outputs.NONE)));
      runner.run(List.of(new Chunk(s, Arrays.copyOfRange(wrong, 7, 10), Outputs.ALL)));
      float[] afterTheRightDraft = row(0);
      s.truncate(8);
      runner.run(List.of(new Chunk(s, Arrays.copyOfRange(A, 8, 12), Outputs.LAST)));
      float[] afterAll = row(0);
      assertClose(alone(Arrays.copyOf(A, 8)), afterTheRightDraft);
      assertClose(alone(A), afterAll);
    }
  }

  @Test
  void aForkGoesItsOwnWay() {
    int[] other = A.clone();
    other[10] = 60;
    other[11] = 61;
    float[] wantA = alone(A);
    float[] wantOther = alone(other);
    try (Sequence s = cache.openSequence()) {
      runner.run(List.of(new Chunk(s, Arrays.copyOf(A, 10), Outputs.NONE)));
      try (Sequence fork = s.fork()) {
        runner.run(
            List.of(
                new Chunk(s, Arrays.copyOfRange(A, 10, 12), Outputs.LAST),
                new Chunk(fork, Arrays.copyOfRange(other, 10, 12), Outputs.LAST)));
        assertClose(wantA, row(0));
        assertClose(wantOther, row(1));
      }
    }
  }

  @Test
  void theBestOfEachRowArePickedOnTheDevice() {
    for (int wanted : new int[] {1, 2, 64, 100, 128}) {
      try (Sequence a = cache.openSequence();
          Sequence b = cache.openSequence()) {
        runner.run(
            List.of(new Chunk(a, A, Outputs.LAST), new Chunk(b, new int[] {256, 7}, Outputs.LAST)),
            wanted);
        for (int i = 0; i < 2; i++) {
          BestTokens best = runner.best(i);
          assertTrue(best.ids().length >= wanted);
          float[] row = row(i);
          int[] ranked =
              IntStream.range(0, vocab)
                  .boxed()
                  .sorted(Comparator.comparing((Integer id) -> -row[id]))
                  .limit(best.ids().length)
                  .mapToInt(Integer::intValue)
                  .toArray();
          assertArrayEquals(ranked, best.ids());
          for (int j = 0; j < ranked.length; j++) {
            assertEquals(row[ranked[j]], best.logits()[j]);
          }
        }
      }
    }
  }

  @Test
  void aTokenOutsideTheVocabularyIsRefused() {
    try (Sequence s = cache.openSequence()) {
      assertThrows(
          EngineException.class,
          () -> runner.run(List.of(new Chunk(s, new int[] {vocab}, Outputs.LAST))));
    }
  }

  /** A layer with a dense FFN, one with experts, and the MTP layer, whose FFN has experts too. */
  @Test
  void anObserverSeesEveryPartOfEachLayerInOrder() {
    List<String> seen = new ArrayList<>();
    Observer observer =
        (layer, point, values) -> seen.add(layer + " " + point + " " + values.read().length);
    try (Sequence s = cache.openSequence()) {
      runner.observe(List.of(new Chunk(s, A, Outputs.LAST)), observer);
      int t = A.length;
      DeepseekConfig c = checkpoint.config();
      int h = t * c.hiddenSize();
      List<String> expected = new ArrayList<>(List.of("0 EMBEDDING " + h));
      expected.addAll(attention(0, t));
      expected.add("0 FEED_FORWARD " + h);
      expected.addAll(attention(1, t));
      expected.addAll(experts(1, t));
      expected.addAll(List.of("1 FINAL_NORM " + h, "1 LOGITS " + c.vocabSize()));
      assertEquals(expected, seen);
      seen.clear();
      runner.observeMtp(s, 0, Arrays.copyOfRange(A, 1, t), observer);
      h = (t - 1) * c.hiddenSize();
      expected = new ArrayList<>(List.of("2 MTP_INPUT " + h));
      expected.addAll(attention(2, t - 1));
      expected.addAll(experts(2, t - 1));
      expected.addAll(List.of("2 FINAL_NORM " + h, "2 LOGITS " + (t - 1) * c.vocabSize()));
      assertEquals(expected, seen);
    }
  }

  private List<String> attention(int layer, int tokens) {
    DeepseekConfig c = checkpoint.config();
    int h = tokens * c.hiddenSize();
    return List.of(
        layer + " ATTN_NORM " + h,
        layer + " QUERY " + tokens * c.heads() * c.attention().query(),
        layer + " LATENT " + tokens * c.cacheEntry(),
        layer + " HEADS " + tokens * c.heads() * c.attention().value(),
        layer + " ATTENTION " + h,
        layer + " FFN_NORM " + h);
  }

  private List<String> experts(int layer, int tokens) {
    DeepseekConfig c = checkpoint.config();
    int h = tokens * c.hiddenSize();
    return List.of(
        layer + " EXPERT_IDS " + tokens * c.gate().used(),
        layer + " EXPERT_WEIGHTS " + tokens * c.gate().used(),
        layer + " SHARED " + h,
        layer + " FEED_FORWARD " + h);
  }
}
