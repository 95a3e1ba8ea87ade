package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A few sums at the start, each of which needs the one before: launched one by one, and as a
 * recorded step that is replayed. A driver that mixes up their order, or that says it is done when
 * it is not, would make text of nothing without a word.
 */
final class SelfCheck {
  private static final int NUMBERS = 1000;
  private static final int ROUNDS = 8;

  private SelfCheck() {}

  /**
   * @param device for people
   * @throws BackendException if the device's sums are wrong
   */
  static void run(Backend backend, String device) {
    try (DeviceBuffer buffer = backend.allocate(12L * NUMBERS, "self-check");
        DeviceQueue queue = backend.openQueue();
        Arena arena = Arena.ofConfined()) {
      Tensor sum = tensor("sum", buffer, 0);
      Tensor one = tensor("one", buffer, 1);
      Tensor more = tensor("more", buffer, 2);
      MemorySegment host = arena.allocate(4L * NUMBERS, 8);
      Runnable step =
          () -> {
            for (int i = 0; i < ROUNDS; i++) {
              queue.ops().add(sum, one, more);
              queue.ops().add(more, one, sum);
            }
          };
      write(backend, one, host, 1);
      write(backend, sum, host, 0);
      step.run();
      queue.synchronize();
      require(backend, sum, host, 2 * ROUNDS, device, "one by one");
      try (DeviceQueue.Recording recording = queue.record(step)) {
        recording.replay();
        recording.replay();
        queue.synchronize();
        require(backend, sum, host, 6 * ROUNDS, device, "in a recorded step");
      }
    }
  }

  private static Tensor tensor(String name, DeviceBuffer buffer, int place) {
    return new Tensor(name, buffer, 4L * NUMBERS * place, Encoding.F32, 1, NUMBERS);
  }

  private static void write(Backend backend, Tensor to, MemorySegment host, float value) {
    for (int i = 0; i < NUMBERS; i++) {
      host.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
    }
    backend.write(to, host);
  }

  private static void require(
      Backend backend, Tensor sum, MemorySegment host, float wanted, String device, String how) {
    backend.read(sum, host);
    for (int i = 0; i < NUMBERS; i++) {
      float found = host.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      if (found != wanted) {
        throw new BackendException(
            "%s computes wrongly: of sums launched %s, number %d is %s instead of %s"
                .formatted(device, how, i, found, wanted),
            "install a newer driver, or choose another device or --backend cpu");
      }
    }
  }
}
