package dev.yuzui.backend.reference;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostResources;
import dev.yuzui.spi.ProcessorGroups;
import java.util.Optional;

/** Always usable, never chosen unless named. */
public final class ReferenceProvider implements BackendProvider {
  @Override
  public String name() {
    return "reference";
  }

  @Override
  public int preference() {
    return -1;
  }

  @Override
  public Probe probe() {
    long heap = Runtime.getRuntime().maxMemory();
    return new Probe.Usable(
        "plain loops on one thread",
        Math.min(heap, HostResources.local().freeMemory().orElse(heap)));
  }

  @Override
  public Probe probe(Optional<String> device) {
    ProcessorGroups.number(name(), device);
    return probe();
  }

  /** They are multiplied where the file is mapped. */
  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    return 0;
  }

  @Override
  public Backend open(BackendOptions options) {
    ProcessorGroups.number(name(), options.device());
    return new ReferenceBackend();
  }
}
