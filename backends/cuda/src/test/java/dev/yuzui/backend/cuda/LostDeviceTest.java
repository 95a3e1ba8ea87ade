package dev.yuzui.backend.cuda;

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
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A device that goes: the simulator loses its own when YUZUI_CUDASIM_FAIL says so. */
@Tag("lost-device") // tests/cudasim says which device is lost when
class LostDeviceTest {
  @Test
  void theFirstMessageNamesTheKernelsTheLaterOnesTheLoss() {
    BackendsUnderTest.requireUsable(new CudaProvider());
    Backend backend = new CudaProvider().open(BackendOptions.defaults());
    DeviceBuffer buffer = backend.allocate(4, "a number");
    DeviceQueue queue = backend.openQueue();
    Tensor x = new Tensor("x", buffer, 0, Encoding.F32, 1, 1);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1);
      backend.write(x, one);
      queue.ops().add(x, x, x);
      queue.synchronize();
      for (int i = 0; i < 4; i++) {
        queue.ops().add(x, x, x);
      }
      BackendException first = assertThrows(BackendException.class, queue::synchronize);
      assertTrue(first.getMessage().contains("add, add"), first::getMessage);
      assertTrue(
          first.getMessage().contains("lost to this process; start again"), first::getMessage);
      BackendException second = assertThrows(BackendException.class, () -> backend.read(x, one));
      assertTrue(second.getMessage().contains("was lost"), second::getMessage);
      assertEquals(1f, one.get(ValueLayout.JAVA_FLOAT, 0), "nothing was read");
    }
    queue.close();
    buffer.close();
    backend.close();
  }
}
