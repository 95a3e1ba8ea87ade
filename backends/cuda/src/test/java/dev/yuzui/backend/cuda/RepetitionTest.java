package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the device repeats is what the host would have written out. */
class RepetitionTest {
  private final Arena arena = Arena.ofShared();
  private Optional<Backend> opened = Optional.empty();

  @BeforeAll
  static void needsADevice() {
    BackendsUnderTest.requireUsable(new CudaProvider());
  }

  @BeforeEach
  void open() {
    opened = Optional.of(new CudaProvider().open(BackendOptions.defaults()));
  }

  @AfterEach
  void close() {
    opened.ifPresent(Backend::close);
    arena.close();
  }

  private Backend backend() {
    return opened.orElseThrow();
  }

  /** Of no number's sign and none of its greatest exponents: conversions meet no NaN. */
  private MemorySegment bytes(long count, long seed) {
    byte[] bytes = new byte[Math.toIntExact(count)];
    new SplittableRandom(seed).nextBytes(bytes);
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] &= 0x3f;
    }
    return arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
  }

  private byte[] read(Tensor tensor) {
    MemorySegment out = arena.allocate(tensor.byteSize());
    backend().read(tensor, out);
    return out.toArray(ValueLayout.JAVA_BYTE);
  }

  private HostTensor repeating(Encoding encoding, int poolBlocks, int startBlock) {
    return new HostTensor(
        "w",
        encoding,
        48,
        512,
        bytes((long) poolBlocks * encoding.blockBytes(), 1),
        Optional.empty(),
        OptionalLong.of((long) startBlock * encoding.blockBytes()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"F32", "F16", "BF16", "Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q6_K", "Q4_1"})
  void aWeightThatRepeats(String label) {
    Encoding encoding = Encoding.byLabel(label).orElseThrow();
    assertTrue(backend().repeats());
    HostTensor repeated = repeating(encoding, 13, 5);
    HostTensor whole = repeated.writtenOut(arena.allocate(repeated.byteSize(), 64));
    Tensor made = backend().upload(repeated);
    Tensor brought = backend().upload(whole);
    assertEquals(brought.encoding(), made.encoding());
    assertArrayEquals(read(brought), read(made));
  }

  @Test
  void expertsThatRepeatOnePool() {
    HostTensor first = repeating(new Encoding.Q8_0(), 101, 0);
    HostTensor second =
        new HostTensor(
            "w2",
            first.encoding(),
            48,
            512,
            first.data(),
            first.scales(),
            OptionalLong.of(34 * 61));
    List<Tensor> made = backend().uploadExperts("w", List.of(first, second)).experts();
    for (int e = 0; e < 2; e++) {
      HostTensor host = e == 0 ? first : second;
      Tensor brought = backend().upload(host.writtenOut(arena.allocate(host.byteSize(), 64)));
      assertArrayEquals(read(brought), read(made.get(e)));
    }
  }

  @Test
  void aTensorFilledWithAPattern() {
    for (int rows : new int[] {1, 3, 7, 64}) {
      try (DeviceBuffer buffer = backend().allocate(4L * 10 * rows, "filled")) {
        Tensor tensor = new Tensor("filled", buffer, 0, Encoding.F32, rows, 10);
        MemorySegment pattern = bytes(4L * 10 * 3, rows);
        backend().fill(tensor, pattern);
        byte[] found = read(tensor);
        for (int i = 0; i < found.length; i++) {
          assertEquals(pattern.get(ValueLayout.JAVA_BYTE, i % pattern.byteSize()), found[i]);
        }
      }
    }
  }
}
