package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What only this backend does; needs a device, of a GPU or of the simulator. */
class DeviceTest {
  @BeforeAll
  static void needsADevice() {
    BackendsUnderTest.requireUsable(new CudaProvider());
  }

  private static Backend open(int device) {
    BackendOptions defaults = BackendOptions.defaults();
    return new CudaProvider()
        .open(new BackendOptions(1, Optional.of("cuda:" + device), true, defaults.log()));
  }

  private static Tensor floats(DeviceBuffer buffer, int count) {
    return new Tensor("floats", buffer, 0, Encoding.F32, 1, count);
  }

  private static float[] read(Backend backend, Tensor t) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(t.byteSize(), 4);
      backend.read(t, out);
      return out.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  @Test
  void outOfMemorySaysHowMuchForWhatAndWhatToChange() {
    try (Backend backend = open(0)) {
      long asked = 1L << 50;
      BackendException e =
          assertThrows(BackendException.class, () -> backend.allocate(asked, "the KV cache"));
      for (String part :
          List.of("%,d bytes".formatted(asked), "the KV cache", "are free", "-c", "--device")) {
        assertTrue(e.getMessage().contains(part), e::getMessage);
      }
    }
  }

  @Test
  void weightsLargerThanAStagingBufferArriveWhole() {
    try (Arena arena = Arena.ofShared();
        Backend backend = open(0)) {
      int rows = 70;
      int cols = 1 << 18;
      MemorySegment data = arena.allocate(4L * rows * cols, 64);
      for (int r = 0; r < rows; r++) {
        data.setAtIndex(ValueLayout.JAVA_FLOAT, (long) r * cols + 7 * r, r + 1);
      }
      Tensor w = backend.upload(HostTensor.of("large", Encoding.F32, rows, cols, data));
      for (int r = 0; r < rows; r++) {
        assertEquals(r + 1, read(backend, w.slice("row", r, 1))[7 * r], "row " + r);
      }
    }
  }

  @Test
  void aThousandReplacementsTakeNoMemory() {
    try (Arena arena = Arena.ofShared();
        CudaBackend backend = (CudaBackend) open(0)) {
      ExpertWeights experts = replaced(backend, arena, 1);
      long free = backend.cu().freeBytes();
      for (int i = 0; i < 1000; i++) {
        experts = backend.replace(experts, i % 4, expert(arena, i));
        backend.expertTable(experts);
      }
      assertEquals(free, backend.cu().freeBytes());
    }
  }

  private static ExpertWeights replaced(CudaBackend backend, Arena arena, int index) {
    List<HostTensor> four = IntStream.range(0, 4).mapToObj(i -> expert(arena, i)).toList();
    ExpertWeights experts = backend.uploadExperts("experts", four);
    return backend.replace(experts, index, expert(arena, 4));
  }

  private static HostTensor expert(Arena arena, int number) {
    int width = 128;
    MemorySegment data = arena.allocate(2L * width * width, 64).fill((byte) number);
    return HostTensor.of("expert " + number, Encoding.F16, width, width, data);
  }

  @Test
  void manySmallWritesArriveInOrderAndBeforeTheWorkThatFollows() {
    try (Arena arena = Arena.ofShared();
        Backend backend = open(0);
        DeviceBuffer buffer = backend.allocate(4 * 100, "numbers");
        DeviceQueue queue = backend.openQueue()) {
      Tensor all = floats(buffer, 100);
      for (int i = 0; i < 100; i++) {
        MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, i);
        backend.write(new Tensor("x", buffer, 4L * i, Encoding.F32, 1, 1), one);
        one.set(ValueLayout.JAVA_FLOAT, 0, -1);
      }
      queue.ops().add(all, all, all);
      queue.synchronize();
      float[] doubled = read(backend, all);
      for (int i = 0; i < 100; i++) {
        assertEquals(2f * i, doubled[i]);
      }
    }
  }

  @Test
  void aKernelWithOtherParametersIsRefused() {
    try (Cu cu = Cu.open(Driver.devices().getFirst());
        Kernels kernels = Kernels.of(cu, false, _ -> {})) {
      Kernel add = kernels.get("add");
      add.check("pppl", 0);
      Kernel known = new Kernel(cu, add.function(), "add", Optional.of("pppl"));
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> known.check("pppi", 0));
      assertEquals("kernel add takes parameters pppl, given pppi", e.getMessage());
      int all = cu.device().sharedBytes();
      known.check("pppl", all);
      IllegalArgumentException more =
          assertThrows(IllegalArgumentException.class, () -> known.check("pppl", all + 1));
      assertTrue(
          more.getMessage()
              .startsWith("kernel add asks for %,d bytes of shared memory".formatted(all + 1)),
          more::getMessage);
    }
  }

  /**
   * The simulator lets nothing be allocated or loaded while it captures, so that this fails where a
   * recording is captured op by op.
   */
  @Test
  void theFirstOpOfItsKindIsRecordedWithTheMemoryAndTheWeightsThatItAsksFor() {
    int width = 64;
    int rows = 20; // x in F16, for gemm, lies in scratch
    try (Arena arena = Arena.ofShared();
        CudaBackend backend = (CudaBackend) open(0);
        DeviceBuffer buffer = backend.allocate(4L * 2 * rows * width, "x and out");
        DeviceQueue queue = backend.openQueue()) {
      MemorySegment data = arena.allocate(2L * width * width, 64);
      for (int i = 0; i < width; i++) {
        data.setAtIndex(ValueLayout.JAVA_SHORT, (long) i * width + i, Float.floatToFloat16(2));
      }
      Tensor w = backend.upload(HostTensor.of("twice", Encoding.F16, width, width, data));
      Tensor x = new Tensor("x", buffer, 0, Encoding.F32, rows, width);
      Tensor out = new Tensor("out", buffer, 4L * rows * width, Encoding.F32, rows, width);
      long[] ran = {0};
      try (DeviceQueue.Recording recording =
          queue.record(
              () -> {
                queue.ops().matmul(x, w, out);
                queue.hostTask(() -> ran[0]++);
              })) {
        float[] threes = new float[width];
        Arrays.fill(threes, 3);
        backend.fill(x, arena.allocateFrom(ValueLayout.JAVA_FLOAT, threes));
        recording.replay();
        recording.replay();
        queue.synchronize();
      }
      assertEquals(2, ran[0]);
      for (float v : read(backend, out)) {
        assertEquals(6f, v);
      }
    }
  }

  @Test
  void memoryOfAnotherDeviceIsRefused() {
    Assumptions.assumeTrue(Driver.devices().size() > 1, "one device");
    try (Backend first = open(0);
        Backend second = open(1);
        DeviceBuffer here = first.allocate(4, "here");
        DeviceQueue queue = second.openQueue()) {
      Tensor x = floats(here, 1);
      BackendException e = assertThrows(BackendException.class, () -> queue.ops().add(x, x, x));
      assertTrue(e.getMessage().contains("does not lie on cuda:1"), e::getMessage);
    }
  }

  @Test
  void aPeersMemoryIsCopied() {
    List<CudaDevice> devices = Driver.devices();
    Assumptions.assumeTrue(devices.size() > 1, "one device");
    try (Arena arena = Arena.ofConfined();
        Cu first = Cu.open(devices.get(0));
        Cu second = Cu.open(devices.get(1))) {
      Assumptions.assumeTrue(second.reaches(first.device()), "no peer access");
      second.enablePeer(first);
      second.enablePeer(first);
      Transfers here = new Transfers(first);
      Transfers there = new Transfers(second);
      Address.Device from = first.allocate(12, "source");
      Address.Device to = second.allocate(12, "target");
      here.write(from.value(), arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3));
      here.settle();
      there.enqueue(stream -> second.fromPeer(to.value(), first, from.value(), 12, stream));
      MemorySegment out = arena.allocate(12, 4);
      there.read(out, to.value());
      assertArrayEquals(new float[] {1, 2, 3}, out.toArray(ValueLayout.JAVA_FLOAT));
      first.free(from, "source");
      second.free(to, "target");
      here.close();
      there.close();
    }
  }
}
