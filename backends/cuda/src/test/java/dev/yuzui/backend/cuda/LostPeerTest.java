package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.BackendsUnderTest;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The second of two devices goes while several backends have it open: whatever each does first
 * tells of it by the device's name, everything closes, and the first device goes on.
 */
@Tag("lost-device") // tests/cudasim says which device is lost when
class LostPeerTest {
  /** A backend with a number, a queue, and a recording that doubles the number. */
  private record Open(
      Backend backend,
      DeviceBuffer buffer,
      Tensor x,
      DeviceQueue queue,
      DeviceQueue.Recording twice) {

    static Open on(int device, MemorySegment number) {
      Backend backend = opened(device);
      DeviceBuffer buffer = backend.allocate(4, "a number");
      Tensor x = new Tensor("x", buffer, 0, Encoding.F32, 1, 1);
      backend.write(x, number);
      DeviceQueue queue = backend.openQueue();
      return new Open(backend, buffer, x, queue, queue.record(() -> queue.ops().add(x, x, x)));
    }

    void close() {
      twice.close();
      queue.close();
      buffer.close();
      backend.close();
    }
  }

  private static Backend opened(int device) {
    BackendOptions defaults = BackendOptions.defaults();
    return new CudaProvider()
        .open(new BackendOptions(1, Optional.of("cuda:" + device), true, defaults.log()));
  }

  private static void tells(Runnable use) {
    BackendException e = assertThrows(BackendException.class, use::run);
    assertTrue(e.getMessage().contains("cuda:1"), e::getMessage);
    assertTrue(e.getMessage().contains("lost"), e::getMessage);
  }

  @Test
  void everyUseNamesTheDeviceEverythingClosesAndTheOtherGoesOn() {
    BackendsUnderTest.requireUsable(new CudaProvider());
    assertTimeoutPreemptively(Duration.ofMinutes(5), LostPeerTest::lose);
  }

  private static void lose() {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1);
      Open healthy = Open.on(0, one);
      List<Open> losing = new ArrayList<>();
      for (int i = 0; i < 9; i++) {
        losing.add(Open.on(1, one));
      }
      Backend idle = opened(1);
      DeviceBuffer unused = idle.allocate(4, "nobody's");
      Open recording = losing.getLast();
      recording.queue.begin();
      recording.queue.ops().add(recording.x, recording.x, recording.x);
      HostTensor weight = HostTensor.of("w", Encoding.F32, 1, 1, one);

      Open first = losing.getFirst();
      for (int i = 0; i < 3; i++) {
        first.twice.replay();
      }
      tells(first.queue::synchronize);

      // each finds out by another use
      tells(() -> losing.get(1).backend.read(losing.get(1).x, one));
      tells(() -> losing.get(2).backend.write(losing.get(2).x, one));
      tells(() -> losing.get(3).backend.receive(losing.get(3).x, healthy.backend, healthy.x));
      tells(() -> healthy.backend.receive(healthy.x, losing.get(4).backend, losing.get(4).x));
      tells(() -> losing.get(5).twice.replay());
      tells(() -> losing.get(6).queue.hostTask(() -> {}));
      tells(() -> losing.get(7).backend.upload(weight));
      // and the last one never
      recording.queue.abandon();

      for (Open open : losing.subList(0, 8)) {
        tells(open.queue::synchronize);
        tells(() -> open.backend.read(open.x, one));
        tells(() -> open.backend.allocate(4, "more"));
        tells(open.backend::openQueue);
      }
      losing.forEach(Open::close);
      unused.close();
      idle.close();

      healthy.twice.replay();
      healthy.queue.synchronize();
      healthy.backend.read(healthy.x, one);
      assertEquals(2f, one.get(ValueLayout.JAVA_FLOAT, 0));
      healthy.close();
    }
  }
}
