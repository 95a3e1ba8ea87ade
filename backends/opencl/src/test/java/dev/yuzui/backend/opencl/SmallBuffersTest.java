package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A device whose buffers may not be as large as the experts of a projection together. */
class SmallBuffersTest {
  private static final int EXPERTS = 8;
  private static final int USED = 2;
  private static final int HIDDEN = 1024;
  private static final int WIDTH = 3072;
  private static final long EACH = 2L * HIDDEN * WIDTH;

  @BeforeAll
  static void needsADevice() {
    BackendsUnderTest.requireUsable(new OpenClProvider());
  }

  private static OpenClBackend open(boolean cpu, long largestBuffer) {
    DeviceFacts d = Driver.devices().getFirst();
    DeviceFacts facts =
        new DeviceFacts(
            d.ordinal(),
            d.platform(),
            d.name(),
            d.version(),
            d.driver(),
            d.platformHandle(),
            d.handle(),
            cpu,
            d.totalBytes(),
            Math.min(largestBuffer, d.largestBuffer()),
            d.workGroup(),
            d.localBytes(),
            d.computeUnits(),
            d.extensions());
    return new OpenClBackend(Cl.open(facts), Extras.NONE, BackendOptions.defaults());
  }

  private static List<HostTensor> experts(Arena arena, int rows, int cols, int seed) {
    SplittableRandom random = new SplittableRandom(seed);
    return IntStream.range(0, EXPERTS)
        .mapToObj(
            e -> {
              MemorySegment data = arena.allocate(2L * rows * cols, 64);
              for (long i = 0; i < rows * (long) cols; i++) {
                // of either sign, from 1/32 to 1/16
                short half = (short) (0x2800 + (random.nextInt() & 0x83ff));
                data.setAtIndex(ValueLayout.JAVA_SHORT, i, half);
              }
              return HostTensor.of("expert " + e, Encoding.F16, rows, cols, data);
            })
        .toList();
  }

  /** What the experts make of {@code tokens} rows, one expert having been replaced. */
  private static float[] run(OpenClBackend backend, int tokens, boolean apart, int parts) {
    int slots = tokens * USED;
    List<DeviceBuffer> buffers = new ArrayList<>();
    try (Arena arena = Arena.ofShared();
        DeviceQueue queue = backend.openQueue()) {
      ExpertWeights gate = upload(backend, experts(arena, WIDTH, HIDDEN, 1), apart);
      ExpertWeights up = upload(backend, experts(arena, WIDTH, HIDDEN, 2), apart);
      ExpertWeights down = upload(backend, experts(arena, HIDDEN, WIDTH, 3), apart);
      backend.places(up);
      up = backend.replace(up, 5, experts(arena, WIDTH, HIDDEN, 4).get(5));
      assertEquals(parts, backend.places(up).parts().size());

      Tensor x = tensor(backend, buffers, Encoding.F32, tokens, HIDDEN);
      Tensor ids = tensor(backend, buffers, Encoding.I32, tokens, USED);
      SplittableRandom random = new SplittableRandom(tokens);
      MemorySegment rows = arena.allocate(x.byteSize(), 64);
      for (int i = 0; i < tokens * HIDDEN; i++) {
        rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
      }
      MemorySegment chosen = arena.allocate(ids.byteSize(), 64);
      for (int i = 0; i < slots; i++) {
        // neighbours differ, some experts have nobody
        chosen.setAtIndex(ValueLayout.JAVA_INT, i, (random.nextInt(3) * 2 + i) % (EXPERTS - 1));
      }
      backend.write(x, rows);
      backend.write(ids, chosen);
      Dispatch dispatch =
          new Dispatch(
              tensor(backend, buffers, Encoding.I32, 1, EXPERTS + 1),
              tensor(backend, buffers, Encoding.I32, 1, slots),
              tensor(backend, buffers, Encoding.I32, 1, slots),
              USED);
      Tensor out = tensor(backend, buffers, Encoding.F32, slots, HIDDEN);
      queue.ops().permute(ids, dispatch);
      queue.ops().expertFfn(x, gate, up, down, dispatch, out);
      queue.synchronize();
      MemorySegment result = arena.allocate(out.byteSize(), 64);
      backend.read(out, result);
      return result.toArray(ValueLayout.JAVA_FLOAT);
    } finally {
      buffers.forEach(DeviceBuffer::close);
    }
  }

  private static ExpertWeights upload(
      OpenClBackend backend, List<HostTensor> experts, boolean apart) {
    return apart
        ? new ExpertWeights("apart", experts.stream().map(backend::upload).toList())
        : backend.uploadExperts("together", experts);
  }

  private static Tensor tensor(
      OpenClBackend backend, List<DeviceBuffer> buffers, Encoding encoding, int rows, int cols) {
    buffers.add(backend.allocate(4L * rows * cols, "rows"));
    return new Tensor("rows", buffers.getLast(), 0, encoding, rows, cols);
  }

  @ParameterizedTest
  @CsvSource({"true, 1", "true, 5", "true, 40", "false, 40"})
  void expertsLieInSeveralBuffers(boolean cpu, int tokens) {
    float[] wanted;
    try (OpenClBackend backend = open(cpu, Long.MAX_VALUE)) {
      wanted = run(backend, tokens, false, 1);
    }
    assertTrue(IntStream.range(0, wanted.length).anyMatch(i -> wanted[i] != 0));
    for (boolean apart : new boolean[] {false, true}) {
      try (OpenClBackend backend = open(cpu, 3 * EACH + 100)) {
        assertArrayEquals(wanted, run(backend, tokens, apart, 3));
      }
    }
  }
}
