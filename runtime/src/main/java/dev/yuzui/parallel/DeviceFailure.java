package dev.yuzui.parallel;

import dev.yuzui.spi.BackendException;

/** A device of several failed: the others may go on without it. */
@SuppressWarnings("serial")
public final class DeviceFailure extends RuntimeException {
  private final int device;

  DeviceFailure(int device, String name, BackendException cause) {
    super(name + " failed: " + cause.getMessage(), cause);
    this.device = device;
  }

  public int device() {
    return device;
  }
}
