package dev.yuzui.engine.step;

import dev.yuzui.parallel.DeviceExchange;
import dev.yuzui.parallel.Sent;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Tensor;

/** A part of a step that one device runs without looking at others. */
record Leg(int device, DeviceQueue queue, DeviceQueue.Recording recording, Then then)
    implements Runnable {
  /** What comes behind a leg. */
  sealed interface Then {
    record End() implements Then {}

    record Move(int fromDevice, Tensor from, int toDevice, Tensor to) implements Then {}

    /**
     * @param beside runs at the same time
     */
    record Meet(DeviceExchange exchange, Sent sent, DeviceQueue.Recording beside) implements Then {}
  }

  @Override
  public void run() {
    recording.replay();
    queue.synchronize();
  }

  Leg with(Then next) {
    return new Leg(device, queue, recording, next);
  }

  void close() {
    recording.close();
    if (then instanceof Then.Meet meet) {
      meet.beside().close();
    }
  }
}
