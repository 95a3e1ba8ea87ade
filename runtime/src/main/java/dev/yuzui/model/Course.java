package dev.yuzui.model;

import dev.yuzui.parallel.DeviceExchange;
import dev.yuzui.parallel.Meetings;
import dev.yuzui.parallel.Sent;
import dev.yuzui.spi.Tensor;

/** The way of a step over devices, as it is enqueued. */
public interface Course extends Meetings {
  /** The same step on another device: its ops, its scratch, its copy of the batch. */
  Step on(int device);

  /**
   * What was enqueued so far, on {@code fromDevice}, runs; then {@code from} is copied to {@code
   * to}, and what is enqueued from now on is on {@code toDevice}.
   */
  void move(int fromDevice, Tensor from, int toDevice, Tensor to);

  /** For a model on one device. */
  static Course none() {
    return new Course() {
      @Override
      public Step on(int device) {
        throw new IllegalStateException("a model on one device has none of number " + device);
      }

      @Override
      public void move(int fromDevice, Tensor from, int toDevice, Tensor to) {
        on(toDevice);
      }

      @Override
      public void meet(DeviceExchange exchange, Sent sent, Runnable beside) {
        Meetings.none().meet(exchange, sent, beside);
      }
    };
  }
}
