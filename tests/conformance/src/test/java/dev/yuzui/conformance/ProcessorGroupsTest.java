package dev.yuzui.conformance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.cpu.CpuProvider;
import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.BackendProvider.Probe;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A processor as several devices. */
class ProcessorGroupsTest {
  private static final int WIDTH = 256;

  static Stream<Arguments> names() {
    return Stream.of(
        Arguments.of(new CpuProvider(), "cpu"),
        Arguments.of(new CpuProvider(), "cpu:java"),
        Arguments.of(new ReferenceProvider(), "reference"));
  }

  private static Backend open(BackendProvider provider, String device) {
    BackendOptions defaults = BackendOptions.defaults();
    return provider.open(new BackendOptions(1, Optional.of(device), true, defaults.log()));
  }

  @ParameterizedTest(name = "{1}")
  @MethodSource("names")
  void eightAreThere(BackendProvider provider, String name) {
    for (String device :
        List.of(
            name, name + ":0", name + ":1", name + ":7", name.toUpperCase(Locale.ROOT) + ":2")) {
      assertInstanceOf(Probe.Usable.class, provider.probe(Optional.of(device)));
      try (Backend backend = open(provider, device)) {
        assertEquals(provider.name(), backend.name());
      }
    }
    assertEquals(1, provider.probeAll().size(), "the processor is listed once");
  }

  @ParameterizedTest(name = "{1}")
  @MethodSource("names")
  void othersAreNot(BackendProvider provider, String name) {
    for (String device : List.of(name + ":8", name + ":-1", name + ":", name + ":01", "1")) {
      for (Runnable use :
          List.<Runnable>of(
              () -> provider.probe(Optional.of(device)), () -> open(provider, device))) {
        String message = assertThrows(IllegalArgumentException.class, use::run).getMessage();
        assertTrue(message.contains("--device: expected "), message);
        assertTrue(message.endsWith(", found '" + device + "'"), message);
      }
    }
  }

  @ParameterizedTest(name = "{1}")
  @MethodSource("names")
  void severalComputeTheSameAtOnce(BackendProvider provider, String name) {
    try (Arena arena = Arena.ofShared()) {
      HostTensor weight = weight(arena);
      List<CompletableFuture<float[]>> results =
          IntStream.range(0, 3)
              .mapToObj(
                  i ->
                      CompletableFuture.supplyAsync(
                          () -> product(provider, name + ":" + i, weight),
                          task -> Thread.ofPlatform().start(task)))
              .toList();
      float[] first = results.getFirst().join();
      for (CompletableFuture<float[]> other : results) {
        assertArrayEquals(first, other.join());
      }
    }
  }

  private static HostTensor weight(Arena arena) {
    MemorySegment data = arena.allocate(4L * WIDTH * WIDTH, 64);
    for (int i = 0; i < WIDTH * WIDTH; i++) {
      data.setAtIndex(ValueLayout.JAVA_FLOAT, i, i % 31 - 15);
    }
    return HostTensor.of("w", Encoding.F32, WIDTH, WIDTH, data);
  }

  /** w·w·…·w·(1, 1, …), scaled down on the way by a norm. */
  private static float[] product(BackendProvider provider, String device, HostTensor weight) {
    try (Backend backend = open(provider, device);
        DeviceBuffer buffer = backend.allocate(8L * WIDTH, "two vectors");
        DeviceQueue queue = backend.openQueue();
        Arena arena = Arena.ofConfined()) {
      Tensor w = backend.upload(weight);
      Tensor x = new Tensor("x", buffer, 0, Encoding.F32, 1, WIDTH);
      Tensor y = new Tensor("y", buffer, 4L * WIDTH, Encoding.F32, 1, WIDTH);
      MemorySegment values = arena.allocate(4L * WIDTH, 64);
      for (int i = 0; i < WIDTH; i++) {
        values.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1);
      }
      backend.write(x, values);
      Tensor norm = backend.upload(HostTensor.of("norm", Encoding.F32, 1, WIDTH, values));
      for (int round = 0; round < 20; round++) {
        queue.ops().matmul(x, w, y);
        queue.ops().rmsNorm(y, norm, 1e-6f, x);
      }
      queue.synchronize();
      backend.read(x, values);
      return values.toArray(ValueLayout.JAVA_FLOAT);
    }
  }
}
