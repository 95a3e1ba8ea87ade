package dev.yuzui.cli;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;

/** A backend without its device. */
public final class AbsentDevice implements BackendProvider {
  @Override
  public String name() {
    return "absent";
  }

  @Override
  public int preference() {
    return -4;
  }

  @Override
  public Probe probe() {
    return new Probe.Unusable("there is no such device", "install one");
  }

  @Override
  public Backend open(BackendOptions options) {
    throw new BackendException("there is no such device", "install one");
  }
}
