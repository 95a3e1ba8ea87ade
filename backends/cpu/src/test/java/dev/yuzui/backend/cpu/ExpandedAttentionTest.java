package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The native kernel of every instruction set, and the vector kernels, against scalar Java. */
class ExpandedAttentionTest {
  private static final float UNTOUCHED = -77;

  /** Heads whose columns fill no vector, some, and those of V2-Lite. */
  private static final List<MlaShape> SHAPES =
      List.of(
          new MlaShape(1, 5, 16, 7, 16, 0.7f),
          new MlaShape(3, 33, 32, 40, 32, 0.2f),
          new MlaShape(2, 16, 64, 97, 192, 0.3f),
          new MlaShape(1, 128, 64, 128, 512, 0.1147f));

  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(13);
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
        Stream.concat(Stream.of("vector"), NativeKernels.INSTRUCTIONS.stream())
            .filter(
                k ->
                    k.equals("vector")
                        ? VectorKernels.lanes() >= 8
                        : natives.filter(n -> n.use(k)).isPresent())
            .toList();
    natives.ifPresent(n -> n.use(best));
    return there.stream().flatMap(k -> Encoding.caches().stream().map(e -> Arguments.of(k, e)));
  }

  @ParameterizedTest(name = "{0} {1}", allowZeroInvocations = true)
  @MethodSource("cases")
  void attendsLikeScalarJava(String kernels, Encoding cache) {
    boolean vector = kernels.equals("vector");
    if (!vector) {
      natives.orElseThrow().use(kernels);
    }
    for (MlaShape shape : SHAPES) {
      if (shape.entry() % cache.blockElements() == 0) {
        for (int tokens : List.of(1, 31, 70)) {
          Step step = step(shape, cache, tokens);
          float[] want = attend(step, new ScalarKernels(), Optional.empty());
          float[] got =
              vector
                  ? attend(step, new VectorKernels(), Optional.empty())
                  : attend(step, new ScalarKernels(), natives);
          assertClose(want, got, shape + ", " + tokens + " tokens");
        }
      }
    }
  }

  private record Step(
      MlaShape shape, Tensor q, KvCache cache, Tensor keyUp, Tensor valueUp, StepBatch batch) {}

  /**
   * Two sequences and padding, pages of seven tokens in any order; each row sees as many entries as
   * chance will have it, from none to beyond two blocks.
   */
  private Step step(MlaShape shape, Encoding encoding, int tokens) {
    int perSequence = 21;
    int[] order = IntStream.range(0, 2 * perSequence).toArray();
    for (int i = order.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int page = order[i];
      order[i] = order[j];
      order[j] = page;
    }
    int[] sequence =
        IntStream.range(0, tokens)
            .map(t -> t < tokens / 3 ? 0 : t < tokens - tokens / 8 ? 1 : -1)
            .toArray();
    int[] length =
        Arrays.stream(sequence).map(s -> s < 0 ? 0 : random.nextInt(7 * perSequence + 1)).toArray();
    Tensor none = ints(1, new int[tokens]);
    StepBatch batch =
        new StepBatch(none, none, ints(1, sequence), ints(1, length), ints(2, order), ints(1, 0));
    MemorySegment entries =
        Native.weight(arena, random, encoding, 7 * order.length, shape.entry()).data();
    return new Step(
        shape,
        normal(Encoding.F32, tokens, shape.heads() * shape.query(), 1),
        new KvCache(tensor(entries, encoding, 7 * order.length, shape.entry()), 7),
        weight(shape.heads() * shape.kvLora(), shape.nope(), shape),
        weight(shape.heads() * shape.value(), shape.kvLora(), shape),
        batch);
  }

  /** All chunks, last one first; rows beyond the last must stay. */
  private float[] attend(Step step, CpuKernels kernels, Optional<NativeKernels> natives) {
    int tokens = step.batch().tokens();
    int cols = step.shape().heads() * step.shape().value();
    float[] before = new float[(tokens + 1) * cols];
    Arrays.fill(before, UNTOUCHED);
    MemorySegment memory = Native.floats(arena, before);
    Tensor out = tensor(memory, Encoding.F32, tokens, cols);
    ExpandedAttention attention =
        new ExpandedAttention(
            kernels,
            natives,
            step.q(),
            step.cache(),
            step.keyUp(),
            step.valueUp(),
            step.shape(),
            step.batch(),
            Optional.empty(),
            out);
    Lane lane = new Lane(0);
    try {
      lane.reserve(attention.laneBytes(), attention.laneRows());
      for (int chunk = attention.chunks() - 1; chunk >= 0; chunk--) {
        attention.run(chunk, lane);
      }
    } finally {
      lane.close();
    }
    return Native.floats(memory);
  }

  private static void assertClose(float[] want, float[] got, String what) {
    float most = 0;
    for (float w : want) {
      most = w == UNTOUCHED ? most : Math.max(most, Math.abs(w));
    }
    for (int i = 0; i < want.length; i++) {
      assertEquals(want[i], got[i], want[i] == UNTOUCHED ? 0 : 3e-5 * most, what + " [" + i + "]");
    }
  }

  /** In an encoding that the native kernel reads as it is, or of a length that it does not. */
  private Tensor weight(int rows, int cols, MlaShape shape) {
    List<Encoding> fit =
        Encoding.caches().stream().filter(e -> cols % e.blockElements() == 0).toList();
    Encoding encoding = fit.get(random.nextInt(fit.size()));
    return normal(encoding, rows, cols, (float) (1 / Math.sqrt(shape.kvLora())));
  }

  private Tensor normal(Encoding encoding, int rows, int cols, float by) {
    float[] values = Native.normal(random, rows * cols);
    for (int i = 0; i < values.length; i++) {
      values[i] *= by;
    }
    MemorySegment data = arena.allocate(encoding.byteSize(rows, cols), 64);
    Quantizer.encode(encoding, values, 0, values.length, data, 0);
    return tensor(data, encoding, rows, cols);
  }

  private Tensor ints(int rows, int... values) {
    MemorySegment data = arena.allocateFrom(ValueLayout.JAVA_INT, values);
    return tensor(data, Encoding.I32, rows, values.length / rows);
  }

  private static Tensor tensor(MemorySegment data, Encoding encoding, int rows, int cols) {
    HostBuffer buffer = new HostBuffer("test", data, Optional.empty(), Optional.empty(), () -> {});
    return new Tensor("test", buffer, 0, encoding, rows, cols);
  }
}
