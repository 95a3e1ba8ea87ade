package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Quantizer;
import dev.yuzui.spi.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Experts of a mapped file in each other's place. */
class ReplaceTest {
  private static final int WIDTH = 256;
  private static final int EXPERTS = 6;

  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({"cpu, Q8_0", "cpu, F16", "cpu, F32", "cpu:java, Q8_0", "cpu:java, F32"})
  void aThousandReplacementsTakeNoMemory(String device, String label) throws IOException {
    Encoding encoding = Encoding.byLabel(label).orElseThrow();
    BackendOptions defaults = BackendOptions.defaults();
    try (Arena arena = Arena.ofShared();
        CpuBackend backend =
            (CpuBackend)
                new CpuProvider()
                    .open(new BackendOptions(1, Optional.of(device), true, defaults.log()))) {
      List<HostTensor> file = mapped(encoding, arena);
      ExpertWeights experts = backend.uploadExperts("experts", file.subList(0, 4));
      long bytes = backend.weightBytes();
      for (int i = 0; i < 1000; i++) {
        experts = backend.replace(experts, i % 4, file.get(i % EXPERTS));
      }
      assertEquals(bytes, backend.weightBytes());
      for (int e = 0; e < 4; e++) {
        // 996 + e was put there last
        Tensor fresh = backend.upload(file.get((996 + e) % EXPERTS));
        assertArrayEquals(product(backend, fresh), product(backend, experts.experts().get(e)));
      }
    }
  }

  private List<HostTensor> mapped(Encoding encoding, Arena arena) throws IOException {
    long bytes = encoding.byteSize(WIDTH, WIDTH);
    Path path = folder.resolve("experts");
    MemorySegment all;
    try (FileChannel file =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      all = file.map(FileChannel.MapMode.READ_WRITE, 0, EXPERTS * bytes, arena);
    }
    Random random = new Random(7);
    float[] values = new float[WIDTH * WIDTH];
    return IntStream.range(0, EXPERTS)
        .mapToObj(
            e -> {
              for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextGaussian();
              }
              MemorySegment data = all.asSlice(e * bytes, bytes);
              Quantizer.encode(encoding, values, 0, values.length, data, 0);
              return HostTensor.of("expert " + e, encoding, WIDTH, WIDTH, data);
            })
        .toList();
  }

  private static float[] product(CpuBackend backend, Tensor w) {
    try (DeviceBuffer buffer = backend.allocate(8L * WIDTH, "in and out");
        DeviceQueue queue = backend.openQueue();
        Arena arena = Arena.ofConfined()) {
      Tensor x = new Tensor("x", buffer, 0, Encoding.F32, 1, WIDTH);
      Tensor y = new Tensor("y", buffer, 4L * WIDTH, Encoding.F32, 1, WIDTH);
      MemorySegment values = arena.allocate(4L * WIDTH, 64);
      for (int i = 0; i < WIDTH; i++) {
        values.setAtIndex(ValueLayout.JAVA_FLOAT, i, i % 7 - 3);
      }
      backend.write(x, values);
      queue.ops().matmul(x, w, y);
      queue.synchronize();
      backend.read(y, values);
      return values.toArray(ValueLayout.JAVA_FLOAT);
    }
  }
}
