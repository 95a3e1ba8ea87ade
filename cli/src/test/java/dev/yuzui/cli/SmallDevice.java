package dev.yuzui.cli;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import java.util.Optional;

/**
 * Has 2.4 MB for weights, cache and working space, {@code small:1500} has 1.5; the F32 model of the
 * tests is 1.5 MB.
 */
public final class SmallDevice implements BackendProvider {
  static final String NAME = "small";
  static final long BYTES = 2_400_000;

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int preference() {
    return -2;
  }

  @Override
  public Probe probe() {
    return new Probe.Usable("a small device", BYTES);
  }

  @Override
  public Probe probe(Optional<String> device) {
    return device
        .filter(d -> d.contains(":"))
        .map(d -> 1000 * Long.parseLong(d.substring(d.indexOf(':') + 1)))
        .<Probe>map(bytes -> new Probe.Usable("a small device of " + bytes, bytes))
        .orElseGet(this::probe);
  }

  @Override
  public Backend open(BackendOptions options) {
    return new ReferenceProvider()
        .open(
            new BackendOptions(
                options.threads(), Optional.empty(), options.repack(), options.log()));
  }
}
