package dev.yuzui.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A device goes when it is told to, and takes no other with it. */
class FailingProviderTest {
  @AfterEach
  void allGoOn() {
    FailingProvider.allGoOn();
  }

  private static Backend open(int device) {
    BackendOptions defaults = BackendOptions.defaults();
    return new FailingProvider()
        .open(new BackendOptions(1, Optional.of("failing:" + device), true, defaults.log()));
  }

  private static void lost(Runnable use) {
    BackendException e = assertThrows(BackendException.class, use::run);
    assertTrue(e.getMessage().contains("failing:1 was lost"), e::getMessage);
  }

  @Test
  void theDeviceIsLostAtTheSynchronizationThatWasNamed() {
    try (Arena arena = Arena.ofConfined();
        Backend first = open(0);
        Backend second = open(1);
        DeviceBuffer here = first.allocate(4, "here");
        DeviceBuffer there = second.allocate(4, "there");
        DeviceQueue healthy = first.openQueue();
        DeviceQueue queue = second.openQueue()) {
      Tensor x = new Tensor("x", here, 0, Encoding.F32, 1, 1);
      Tensor y = new Tensor("y", there, 0, Encoding.F32, 1, 1);
      MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1);
      first.write(x, one);
      assertTrue(second.receive(y, first, x));
      DeviceQueue.Recording recording = queue.record(() -> queue.ops().add(y, y, y));

      FailingProvider.failAfter(1, 2);
      queue.synchronize();
      recording.replay();
      queue.synchronize();
      lost(queue::synchronize);

      for (Runnable use :
          List.<Runnable>of(
              queue::synchronize,
              queue::begin,
              recording::replay,
              () -> queue.hostTask(() -> {}),
              () -> second.read(y, one),
              () -> second.write(y, one),
              () -> second.receive(y, first, x),
              () -> first.receive(x, second, y),
              () -> second.allocate(4, "more"),
              second::openQueue)) {
        lost(use);
      }
      healthy.ops().add(x, x, x);
      healthy.synchronize();
      first.read(x, one);
      assertEquals(2f, one.get(ValueLayout.JAVA_FLOAT, 0), "the other device goes on");
      recording.close();
    }
  }

  @Test
  void aDeviceThatIsOpenedAgainGoesOn() {
    FailingProvider.failAfter(3, 0);
    try (Backend backend = open(3);
        DeviceQueue queue = backend.openQueue()) {
      assertThrows(BackendException.class, queue::synchronize);
    }
    try (Backend backend = open(3);
        DeviceQueue queue = backend.openQueue()) {
      queue.synchronize();
      queue.synchronize();
    }
  }

  @Test
  void theOthersNeverFail() {
    FailingProvider.failAfter(1, 1);
    try (Backend backend = open(2);
        DeviceQueue queue = backend.openQueue()) {
      for (int i = 0; i < 100; i++) {
        queue.synchronize();
      }
    }
  }
}
