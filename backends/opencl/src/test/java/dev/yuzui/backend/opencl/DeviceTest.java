package dev.yuzui.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What only this backend does; needs a device. */
class DeviceTest {
  @BeforeAll
  static void needsADevice() {
    BackendsUnderTest.requireUsable(new OpenClProvider());
  }

  private static OpenClBackend open(int device) {
    BackendOptions defaults = BackendOptions.defaults();
    return (OpenClBackend)
        new OpenClProvider()
            .open(new BackendOptions(1, Optional.of("opencl:" + device), true, defaults.log()));
  }

  private static Tensor floats(DeviceBuffer buffer, int count) {
    return new Tensor("floats", buffer, 0, Encoding.F32, 1, count);
  }

  private static float[] read(OpenClBackend backend, Tensor t) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(t.byteSize(), 4);
      backend.read(t, out);
      return out.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  @Test
  void outOfMemorySaysHowMuchIsMissingAndWhatToChange() {
    try (OpenClBackend backend = open(0)) {
      long all = backend.cl().device().totalBytes();
      BackendException e =
          assertThrows(BackendException.class, () -> backend.allocate(all + 1000, "the KV cache"));
      for (String part :
          List.of(
              "%,d bytes for the KV cache".formatted(all + 1000),
              "1,000 are missing",
              "-c",
              "--device")) {
        assertTrue(e.getMessage().contains(part), e::getMessage);
      }
    }
  }

  @Test
  void memoryThatIsTakenIsMissing() {
    try (OpenClBackend backend = open(0)) {
      DeviceFacts device = backend.cl().device();
      long part = Math.min(device.largestBuffer(), device.totalBytes() / 2 + 1);
      Assumptions.assumeTrue(device.totalBytes() / part < 64, "buffers are small here");
      // nothing is written: drivers take memory when it is first used
      List<DeviceBuffer> taken = new ArrayList<>();
      BackendException e =
          assertThrows(
              BackendException.class,
              () -> {
                for (int i = 0; i < 64; i++) {
                  taken.add(backend.allocate(part, "part " + i));
                }
              });
      assertTrue(e.getMessage().contains("are missing"), e::getMessage);
      taken.forEach(DeviceBuffer::close);
      assertEquals(0, backend.cl().allocatedBytes());
    }
  }

  @Test
  void aThousandReplacementsTakeNoMemory() {
    try (Arena arena = Arena.ofShared();
        OpenClBackend backend = open(0)) {
      List<HostTensor> four = IntStream.range(0, 4).mapToObj(i -> expert(arena, i)).toList();
      ExpertWeights together = backend.uploadExperts("experts", four);
      ExpertWeights apart = new ExpertWeights("apart", four.stream().map(backend::upload).toList());
      backend.places(together);
      backend.places(apart);
      long bytes = backend.cl().allocatedBytes();
      for (int i = 0; i < 1000; i++) {
        together = backend.replace(together, i % 4, expert(arena, i));
        apart = backend.replace(apart, i % 4, expert(arena, i));
        backend.places(together);
        backend.places(apart);
      }
      assertEquals(bytes, backend.cl().allocatedBytes());
    }
  }

  private static HostTensor expert(Arena arena, int number) {
    int width = 128;
    MemorySegment data = arena.allocate(2L * width * width, 64).fill((byte) number);
    return HostTensor.of("expert " + number, Encoding.F16, width, width, data);
  }

  @Test
  void aBufferLargerThanTheDeviceTakesIsRefused() {
    try (OpenClBackend backend = open(0)) {
      DeviceFacts device = backend.cl().device();
      Assumptions.assumeTrue(device.largestBuffer() < device.totalBytes(), "any buffer fits");
      BackendException e =
          assertThrows(
              BackendException.class,
              () -> backend.allocate(device.largestBuffer() + 1, "experts"));
      assertTrue(e.getMessage().contains("takes buffers of up to"), e::getMessage);
    }
  }

  @Test
  void weightsLargerThanAPartArriveWhole() {
    try (Arena arena = Arena.ofShared();
        OpenClBackend backend = open(0)) {
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
  void expertsThatLieApartAreBroughtTogetherOnce() {
    try (Arena arena = Arena.ofShared();
        OpenClBackend backend = open(0)) {
      List<Tensor> apart =
          Stream.of(1f, 2f, 3f)
              .map(v -> arena.allocateFrom(ValueLayout.JAVA_FLOAT, v, 10 * v))
              .map(data -> backend.upload(HostTensor.of("expert", Encoding.F32, 1, 2, data)))
              .toList();
      ExpertWeights experts = new ExpertWeights("experts", apart);
      ExpertPlaces places = backend.places(experts);
      assertEquals(places, backend.places(experts));
      for (int e = 0; e < 3; e++) {
        Tensor first = places.parts().getFirst().first();
        Tensor expert =
            new Tensor(
                "e", first.buffer(), e * places.parts().getFirst().stride(), Encoding.F32, 1, 2);
        assertEquals(10f * (e + 1), read(backend, expert)[1]);
      }
    }
  }

  @Test
  void memoryOfAnotherDeviceIsRefused() {
    Assumptions.assumeTrue(Driver.devices().size() > 1, "one device");
    try (OpenClBackend first = open(0);
        OpenClBackend second = open(1);
        DeviceBuffer here = first.allocate(4, "here");
        DeviceQueue queue = second.openQueue()) {
      Tensor x = floats(here, 1);
      BackendException e = assertThrows(BackendException.class, () -> queue.ops().add(x, x, x));
      assertTrue(e.getMessage().contains("does not lie on opencl:1"), e::getMessage);
    }
  }

  @Test
  void everyObjectOfTheDriversIsGivenBack() {
    givesBack(open(0));
  }

  @Test
  void commandBuffersAreGivenBack() {
    DeviceFacts device = Driver.devices().getFirst();
    Assumptions.assumeTrue(device.has(CommandBuffers.EXTENSION), "no command buffers here");
    OpenClBackend backend =
        new OpenClBackend(Cl.open(noProcessor(device)), Extras.NONE, BackendOptions.defaults());
    assertTrue(backend.commandBuffers().isPresent());
    givesBack(backend);
  }

  static DeviceFacts noProcessor(DeviceFacts d) {
    return new DeviceFacts(
        d.ordinal(),
        d.platform(),
        d.name(),
        d.version(),
        d.driver(),
        d.platformHandle(),
        d.handle(),
        false,
        d.totalBytes(),
        d.largestBuffer(),
        d.workGroup(),
        d.localBytes(),
        d.computeUnits(),
        d.extensions());
  }

  private static void givesBack(OpenClBackend opened) {
    Cl cl = opened.cl();
    try (OpenClBackend backend = opened) {
      // The program stays with the backend: whether the check at the start has already made it or
      // this sum makes it, it is there before anything is counted.
      try (DeviceBuffer buffer = backend.allocate(400, "numbers");
          DeviceQueue queue = backend.openQueue()) {
        Tensor x = floats(buffer, 100);
        queue.ops().add(x, x, x);
        queue.synchronize();
      }
      int before = cl.objects();
      try (DeviceBuffer buffer = backend.allocate(400, "numbers");
          DeviceQueue queue = backend.openQueue()) {
        Tensor x = floats(buffer, 100);
        queue.ops().add(x, x, x);
        queue.hostTask(() -> {});
        try (DeviceQueue.Recording recording =
            queue.record(
                () -> {
                  queue.ops().add(x, x, x);
                  queue.hostTask(() -> {});
                  queue.ops().add(x, x, x);
                })) {
          recording.replay();
          recording.replay();
          queue.synchronize();
        }
        assertThrows(
            IllegalStateException.class,
            () ->
                queue.record(
                    () -> {
                      queue.ops().add(x, x, x);
                      throw new IllegalStateException("on the way");
                    }));
      }
      assertEquals(before, cl.objects(), "of what was opened nothing is left");
      assertEquals(0, cl.allocatedBytes());
    }
    assertEquals(0, cl.objects());
  }

  @Test
  void aCompiledProgramIsReadFromDiskAndADamagedOneCompiledAgain(@TempDir Path folder)
      throws IOException {
    List<String> log = new ArrayList<>();
    try (Cl cl = Cl.open(Driver.devices().getFirst())) {
      for (int round = 0; round < 3; round++) {
        ProgramCache cache = new ProgramCache(Optional.of(folder), log::add);
        try (Programs programs = new Programs(cl, Extras.NONE, cache, _ -> {})) {
          cl.releaseKernel(kernel(cl, programs));
        }
        List<Path> files;
        try (Stream<Path> all = Files.list(folder.resolve("opencl"))) {
          files = all.toList();
        }
        assertEquals(1, files.size());
        assertEquals(round == 2 ? 1 : 0, log.size(), log::toString);
        if (round == 1) {
          byte[] bytes = Files.readAllBytes(files.getFirst());
          bytes[bytes.length / 2] ^= 0x55;
          Files.write(files.getFirst(), bytes);
        }
      }
      assertEquals(0, cl.objects());
    }
  }

  private static long kernel(Cl cl, Programs programs) {
    Kernel add = programs.kernel("embed", "embed", "WEIGHTS=f32");
    return cl.kernel(add.program(), add.name());
  }

  @Test
  void aProgramThatDoesNotCompileCarriesTheCompilersWords() {
    try (Cl cl = Cl.open(Driver.devices().getFirst());
        Programs programs =
            new Programs(cl, Extras.NONE, new ProgramCache(Optional.empty(), _ -> {}), _ -> {})) {
      BackendException e =
          assertThrows(
              BackendException.class, () -> programs.kernel("embed", "embed", "WEIGHTS=nonsense"));
      assertTrue(e.getMessage().contains("does not compile embed.cl"), e::getMessage);
      assertTrue(e.getMessage().contains("nonsense"), e::getMessage);
      assertTrue(e.getMessage().contains("embed.cl:"), e::getMessage);
      assertEquals(0, cl.objects());
    }
  }
}
