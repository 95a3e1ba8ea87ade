package dev.yuzui.engine.plan;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A backend that is only planned with: devices {@code far:0}, … copy weights, those of {@code cpu}
 * use them where they are mapped.
 *
 * @param free bytes of each device
 */
record FarDevice(String name, List<Long> free) implements BackendProvider {
  static final long GIB = 1L << 30;

  /** Devices with so many GiB free. */
  static List<Device> gib(double... free) {
    List<Long> bytes =
        IntStream.range(0, free.length).mapToObj(i -> (long) (free[i] * GIB)).toList();
    FarDevice far = new FarDevice("far", bytes);
    return IntStream.range(0, free.length)
        .mapToObj(i -> new Device("far:" + i, far, Optional.of("far:" + i)))
        .toList();
  }

  /** The processor, with so many GiB free. */
  static Device cpu(double free) {
    return new Device("cpu", new FarDevice("cpu", List.of((long) (free * GIB))), Optional.empty());
  }

  @Override
  public int preference() {
    return -1;
  }

  @Override
  public boolean host() {
    return name.equals("cpu");
  }

  @Override
  public Probe probe() {
    return probe(Optional.empty());
  }

  @Override
  public List<Probe> probeAll() {
    return IntStream.range(0, free.size()).<Probe>mapToObj(this::usable).toList();
  }

  @Override
  public Probe probe(Optional<String> device) {
    return usable(
        device.map(d -> Integer.parseInt(d.substring(d.indexOf(':') + 1)) % free.size()).orElse(0));
  }

  private Probe usable(int i) {
    return new Probe.Usable(name + " number " + i, free.get(i));
  }

  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    return host() ? 0 : BackendProvider.super.weightBytes(encoding, rows, cols, count, repack);
  }

  @Override
  public Backend open(BackendOptions options) {
    throw new UnsupportedOperationException("only planned with");
  }
}
