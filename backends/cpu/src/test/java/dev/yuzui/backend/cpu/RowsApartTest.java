package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.MlaShape;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A row of a step is the same to the last bit whatever rows are beside it: activations are rounded
 * to eight bits, which makes a large difference of a small one, and drafts are verified in steps
 * longer than those they stand for. Without native kernels that holds for steps of up to 16 rows,
 * and among longer ones: these meet weights of strips with F32 activations.
 */
@ParameterizedClass
@ValueSource(strings = {"cpu:0", CpuProvider.JAVA})
class RowsApartTest {
  private static final List<Integer> TOKENS = List.of(2, 3, 4, 5, 8, 15, 16, 17, 40);

  private final Arena arena = Arena.ofShared();
  private final Random random = new Random(5);
  private final Backend backend;
  private final Optional<StripKernels> strips;
  private final DeviceQueue queue;
  private final List<DeviceBuffer> buffers = new ArrayList<>();

  RowsApartTest(String device) {
    boolean java = device.equals(CpuProvider.JAVA);
    backend = new CpuProvider().open(new BackendOptions(2, Optional.of(device), true, _ -> {}));
    KernelChoice.Allowed allowed = java ? KernelChoice.Allowed.JAVA : KernelChoice.Allowed.ALL;
    strips = KernelChoice.choose(allowed, _ -> {}).strips();
    queue = backend.openQueue();
  }

  @AfterEach
  void close() {
    queue.close();
    buffers.forEach(DeviceBuffer::close);
    backend.close();
    arena.close();
  }

  /**
   * F32 and what is put into strips: of other weights few rows are added up in another order than
   * many.
   */
  @Test
  void productsOfOneWeight() {
    List<Encoding> inStrips =
        Stream.of("F16", "BF16", "Q8_0", "Q5_0", "Q5_1", "Q4_K", "Q6_K")
            .map(label -> Encoding.byLabel(label).orElseThrow())
            .filter(
                e ->
                    StripType.of(e)
                        .filter(t -> strips.stream().anyMatch(k -> k.takes(t)))
                        .isPresent())
            .toList();
    assertTrue(inStrips.size() >= 4, inStrips::toString);
    productsOf(Encoding.F32);
    inStrips.forEach(this::productsOf);
  }

  private void productsOf(Encoding encoding) {
    int rows = 67;
    int cols = 512;
    Tensor w = backend.upload(Native.weight(arena, random, encoding, rows, cols));
    float[] x = Native.normal(random, 40 * cols);
    float[] alone = new float[40 * rows];
    for (int t = 0; t < 40; t++) {
      float[] row = product(w, Arrays.copyOfRange(x, t * cols, (t + 1) * cols), 1);
      System.arraycopy(row, 0, alone, t * rows, rows);
    }
    boolean panels =
        !encoding.equals(Encoding.F32) && strips.flatMap(StripKernels::panels).isPresent();
    if (panels) {
      float[] all = product(w, x, 40);
      assertArrayEquals(Arrays.copyOf(all, 17 * rows), product(w, Arrays.copyOf(x, 17 * cols), 17));
    }
    for (int n : TOKENS.stream().filter(n -> !panels || n <= CpuBackend.EXACT_TOKENS).toList()) {
      assertArrayEquals(
          Arrays.copyOf(alone, n * rows),
          product(w, Arrays.copyOf(x, n * cols), n),
          n + " rows of " + encoding.label());
    }
  }

  private float[] product(Tensor w, float[] x, int tokens) {
    Tensor out = tensor(Encoding.F32, tokens, (int) w.rows());
    queue.ops().matmul(floats(x, tokens), w, out);
    return read(out);
  }

  @Test
  void attentionOfEntriesInOneAndInManyParts() {
    MlaShape shape = new MlaShape(3, 16, 16, 16, 64, 0.2f);
    int pageTokens = 16;
    int pages = 330;
    Tensor entries = tensor(Encoding.F16, pages * pageTokens, shape.entry());
    backend.write(
        entries,
        Native.weight(arena, random, Encoding.F16, pages * pageTokens, shape.entry()).data());
    KvCache cache = new KvCache(entries, pageTokens);
    int cols = shape.heads() * shape.entry();
    float[] q = Native.normal(random, 40 * cols);
    int[] lengths = IntStream.range(0, 40).map(t -> 1 + t * t * t % 5200).toArray();
    float[][] alone = new float[40][];
    for (int t = 0; t < 40; t++) {
      float[] row = Arrays.copyOfRange(q, t * cols, (t + 1) * cols);
      alone[t] = attend(shape, cache, pages, row, lengths[t]);
    }
    for (int n : TOKENS) {
      float[] together =
          attend(shape, cache, pages, Arrays.copyOf(q, n * cols), Arrays.copyOf(lengths, n));
      for (int t = 0; t < n; t++) {
        int width = alone[t].length;
        assertArrayEquals(
            alone[t],
            Arrays.copyOfRange(together, t * width, (t + 1) * width),
            "row " + t + " of " + n + " over " + lengths[t] + " entries");
      }
    }
  }

  private float[] attend(MlaShape shape, KvCache cache, int pages, float[] q, int... lengths) {
    int n = lengths.length;
    Tensor none = ints(1, new int[n]);
    Tensor table = ints(1, IntStream.range(0, pages).toArray());
    StepBatch batch = new StepBatch(none, none, none, ints(1, lengths), table, ints(1, 0));
    Tensor out = tensor(Encoding.F32, n, shape.heads() * shape.kvLora());
    queue.ops().mlaDecode(floats(q, n), cache, shape, batch, out);
    return read(out);
  }

  private float[] read(Tensor out) {
    queue.synchronize();
    MemorySegment memory = arena.allocate(out.byteSize(), 8);
    backend.read(out, memory);
    return Native.floats(memory);
  }

  private Tensor floats(float[] values, int rows) {
    Tensor t = tensor(Encoding.F32, rows, values.length / rows);
    backend.write(t, Native.floats(arena, values));
    return t;
  }

  private Tensor ints(int rows, int... values) {
    Tensor t = tensor(Encoding.I32, rows, values.length / rows);
    backend.write(t, arena.allocateFrom(ValueLayout.JAVA_INT, values));
    return t;
  }

  private Tensor tensor(Encoding encoding, int rows, int cols) {
    DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, cols), "test");
    buffers.add(buffer);
    return new Tensor("test", buffer, 0, encoding, rows, cols);
  }
}
