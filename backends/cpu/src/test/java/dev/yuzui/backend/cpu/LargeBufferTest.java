package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Buffers that have pages of their own. */
class LargeBufferTest {
  private static final long MIB = 1 << 20;

  @ParameterizedTest
  @ValueSource(longs = {2 << 20, (2 << 20) + 1, (5 << 20) - 64, 6 << 20})
  void everyByteIsThereAndZero(long bytes) {
    try (CpuBackend backend = backend();
        DeviceBuffer buffer = backend.allocate(bytes, "a test")) {
      assertEquals(bytes, buffer.byteSize());
      MemorySegment data = ((HostBuffer) buffer).data();
      assertEquals(-1, data.mismatch(MemorySegment.ofArray(new byte[(int) bytes])));
      data.fill((byte) 7);
      assertEquals(7, data.get(ValueLayout.JAVA_BYTE, bytes - 1));
    }
  }

  /** What lies around a buffer's pages is another's. */
  @Test
  void neighboursLeaveEachOtherAlone() {
    try (CpuBackend backend = backend();
        DeviceBuffer before = backend.allocate(3 * MIB, "before");
        DeviceBuffer behind = backend.allocate(3 * MIB, "behind")) {
      ((HostBuffer) before).data().fill((byte) 1);
      ((HostBuffer) behind).data().fill((byte) 2);
      backend.allocate(3 * MIB, "closed").close();
      byte[] want = new byte[(int) (3 * MIB)];
      for (DeviceBuffer buffer : List.of(before, behind)) {
        Arrays.fill(want, (byte) (buffer.equals(before) ? 1 : 2));
        assertEquals(-1, ((HostBuffer) buffer).data().mismatch(MemorySegment.ofArray(want)));
      }
    }
  }

  /** Though no page of it would be there yet. */
  @Test
  void moreThanTheMachineCanHaveIsRefusedAtOnce() throws IOException {
    Path overcommit = Path.of("/proc/sys/vm/overcommit_memory");
    assumeTrue(
        !Files.isReadable(overcommit) || !Files.readString(overcommit).startsWith("1"),
        "this machine promises any memory (vm.overcommit_memory is 1)");
    try (CpuBackend backend = backend()) {
      BackendException refused =
          assertThrows(BackendException.class, () -> backend.allocate(1L << 44, "a cache"));
      assertTrue(refused.getMessage().contains("no 17592186044416 bytes for a cache"));
    }
  }

  @Test
  void whatIsClosedIsGivenBack() throws IOException {
    assumeTrue(Files.isReadable(Path.of("/proc/self/statm")), "no /proc/self/statm here");
    try (CpuBackend backend = backend()) {
      long before = addressSpace();
      for (int i = 0; i < 1000; i++) {
        backend.allocate(MIB * (2 + i % 7) + i, "a test").close();
      }
      long more = addressSpace() - before;
      assertTrue(more < 500 * MIB, more + " bytes of address space are left of 1,000 buffers");
    }
  }

  /** Pages are of 4 KiB or more. */
  private static long addressSpace() throws IOException {
    return 4096 * Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[0]);
  }

  private static CpuBackend backend() {
    BackendOptions defaults = BackendOptions.defaults();
    return (CpuBackend)
        new CpuProvider().open(new BackendOptions(1, Optional.of("cpu"), true, defaults.log()));
  }
}
