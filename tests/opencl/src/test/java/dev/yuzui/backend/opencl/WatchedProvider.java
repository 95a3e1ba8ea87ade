package dev.yuzui.backend.opencl;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;

/** The opencl backend; remembers the context of the one opened last. */
public final class WatchedProvider implements BackendProvider {
  static final String NAME = "opencl-watched";

  private static volatile Cl last;

  private final OpenClProvider provider = new OpenClProvider();

  /** Of the backend opened last, closed or not. */
  static Cl last() {
    return last;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int preference() {
    return -1;
  }

  @Override
  public Probe probe() {
    return provider.probe();
  }

  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    return provider.weightBytes(encoding, rows, cols, count, repack);
  }

  @Override
  public Backend open(BackendOptions options) {
    OpenClBackend backend = (OpenClBackend) provider.open(options);
    last = backend.cl();
    return backend;
  }
}
