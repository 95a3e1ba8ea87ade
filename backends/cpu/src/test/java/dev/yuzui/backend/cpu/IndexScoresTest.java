package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.IndexShape;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The indexer's scores by the native kernel of every instruction set, and by vector kernels. */
class IndexScoresTest {
  private static final int ENTRIES = 105;
  private static final int PAGE = 7;

  /** Heads that fill no vector, some, and DeepSeek-V3.2's. */
  private static final List<IndexShape> SHAPES =
      List.of(
          new IndexShape(1, 32, 32, 8, false),
          new IndexShape(5, 64, 16, 8, true),
          new IndexShape(33, 32, 0, 8, false),
          new IndexShape(64, 128, 64, 8, false),
          new IndexShape(64, 128, 64, 8, true));

  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(17);
  private final Optional<NativeKernels> natives = NativeKernels.find(_ -> {});
  private final String best = natives.map(NativeKernels::instructions).orElse("");

  @AfterEach
  void close() {
    natives.ifPresent(n -> n.use(best));
    arena.close();
  }

  /** On what this processor has; AvailabilityTest skips the others by name. */
  static Stream<Arguments> cases() {
    Optional<NativeKernels> natives = NativeKernels.find(_ -> {});
    String best = natives.map(NativeKernels::instructions).orElse("");
    List<String> there =
        Stream.concat(Stream.of("java"), NativeKernels.INSTRUCTIONS.stream())
            .filter(k -> k.equals("java") || natives.filter(n -> n.use(k)).isPresent())
            .toList();
    natives.ifPresent(n -> n.use(best));
    return there.stream().flatMap(k -> Encoding.caches().stream().map(e -> Arguments.of(k, e)));
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void areTheFormulaWhicheverAreAskedForTogether(String kernels, Encoding cache) {
    Optional<NativeKernels> used = kernels.equals("java") ? Optional.empty() : natives;
    used.ifPresent(n -> assertTrue(n.use(kernels)));
    for (IndexShape shape : SHAPES) {
      HostTensor keys = Native.weight(arena, random, cache, ENTRIES, shape.head());
      float[] q = Native.normal(random, 2 * shape.heads() * shape.head());
      float[] weights = Native.normal(random, 2 * shape.heads());
      IndexScores scores = scores(used, keys, q, weights, shape);
      float[] all = scored(scores, 0, ENTRIES);
      double[] want = formula(keys, q, weights, shape);
      double most = Arrays.stream(want).map(Math::abs).max().orElseThrow();
      for (int e = 0; e < ENTRIES; e++) {
        assertEquals(want[e], all[e], 1e-5 * most + 1e-7, shape + ", entry " + e);
      }
      for (int[] part : new int[][] {{0, 1}, {1, 40}, {37, 38}, {64, ENTRIES}}) {
        float[] some = scored(scores, part[0], part[1]);
        for (int e = 0; e < ENTRIES; e++) {
          boolean asked = e >= part[0] && e < part[1];
          assertEquals(asked ? all[e] : -77, some[e], 0, shape + ", entry " + e + " of a part");
        }
      }
    }
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void aProductThatIsNoNumberMakesTheScoreNone(String kernels, Encoding cache) {
    Optional<NativeKernels> used = kernels.equals("java") ? Optional.empty() : natives;
    used.ifPresent(n -> assertTrue(n.use(kernels)));
    IndexShape shape = SHAPES.getFirst();
    HostTensor keys = Native.weight(arena, random, cache, ENTRIES, shape.head());
    float[] q = Native.normal(random, 2 * shape.heads() * shape.head());
    q[shape.heads() * shape.head() + 3] = Float.NaN;
    float[] weights = Native.normal(random, 2 * shape.heads());
    for (float score : scored(scores(used, keys, q, weights, shape), 0, ENTRIES)) {
      assertTrue(Float.isNaN(score));
    }
  }

  /** Of row 1 of a step, whose pages lie the other way round. */
  private IndexScores scores(
      Optional<NativeKernels> used, HostTensor keys, float[] q, float[] weights, IndexShape shape) {
    int pages = ENTRIES / PAGE;
    int[] backwards = new int[pages];
    Arrays.setAll(backwards, i -> pages - 1 - i);
    Tensor none = ints(0, 0);
    StepBatch batch =
        new StepBatch(none, none, none, ints(ENTRIES, ENTRIES), ints(backwards), ints(0));
    return IndexScores.of(
        new ScalarKernels(),
        used,
        tensor(Native.floats(arena, q), Encoding.F32, 2, shape.heads() * shape.head()),
        tensor(Native.floats(arena, weights), Encoding.F32, 2, shape.heads()),
        new KvCache(tensor(keys.data(), keys.encoding(), ENTRIES, shape.head()), PAGE),
        shape,
        batch);
  }

  private float[] scored(IndexScores scores, int from, int to) {
    float[] out = new float[ENTRIES];
    Arrays.fill(out, -77);
    MemorySegment memory = Native.floats(arena, out);
    MemorySegment ready = arena.allocate(scores.readyBytes(), 64);
    Lane lane = new Lane(0);
    try {
      lane.reserve(scores.laneBytes(), scores.laneRows());
      scores.ready(1, lane, ready.address());
      scores.score(1, ready.address(), from, to, memory.address(), lane);
    } finally {
      lane.close();
    }
    return Native.floats(memory);
  }

  private static double[] formula(HostTensor keys, float[] q, float[] weights, IndexShape shape) {
    double[] score = new double[ENTRIES];
    for (int h = 0; h < shape.heads(); h++) {
      float[] query =
          Arrays.copyOfRange(
              q, (shape.heads() + h) * shape.head(), (shape.heads() + h + 1) * shape.head());
      double[] turned = new double[shape.head()];
      for (int i = 0; i < turned.length; i++) {
        for (int j = 0; j < turned.length; j++) {
          boolean minus = Integer.bitCount(i & j) % 2 == 1;
          turned[i] +=
              shape.rotated() ? (minus ? -query[j] : query[j]) / Math.sqrt(turned.length) : 0;
        }
        turned[i] = shape.rotated() ? turned[i] : query[i];
      }
      for (int e = 0; e < ENTRIES; e++) {
        float[] key = new float[shape.head()];
        Dequantizer.row(keys, ENTRIES - PAGE - e / PAGE * PAGE + e % PAGE, key, 0);
        double dot = 0;
        for (int i = 0; i < key.length; i++) {
          dot += turned[i] * key[i];
        }
        score[e] += weights[shape.heads() + h] * Math.max(dot, 0) * shape.scale();
      }
    }
    return score;
  }

  private Tensor ints(int... values) {
    return tensor(arena.allocateFrom(ValueLayout.JAVA_INT, values), Encoding.I32, 1, values.length);
  }

  private static Tensor tensor(MemorySegment data, Encoding encoding, int rows, int cols) {
    HostBuffer buffer = new HostBuffer("test", data, Optional.empty(), Optional.empty(), () -> {});
    return new Tensor("test", buffer, 0, encoding, rows, cols);
  }
}
