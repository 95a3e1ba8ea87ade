package dev.yuzui.engine.plan;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendProvider.Probe;
import dev.yuzui.weights.Checkpoint;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A device, what is free on it, and what weights take there.
 *
 * @param available bytes; devices of one memory have equal parts of it
 * @param weights bytes of the device's memory
 * @param mappedWeights with --no-repack
 * @param stored bytes of the file
 */
record DeviceRoom(
    Device device,
    long available,
    DeviceWeights weights,
    DeviceWeights mappedWeights,
    DeviceWeights stored) {

  /**
   * @throws EngineException if a backend has no such device
   * @throws BackendException if a device is not usable
   */
  static List<DeviceRoom> of(Checkpoint checkpoint, List<Device> devices, RuntimeOptions options) {
    List<Probe.Usable> probes = devices.stream().map(DeviceRoom::probe).toList();
    DeviceWeights stored = DeviceWeights.stored(checkpoint);
    return IntStream.range(0, devices.size())
        .mapToObj(
            i -> {
              long sharing =
                  IntStream.range(0, devices.size())
                      .filter(j -> oneMemory(devices, probes, i, j))
                      .count();
              return new DeviceRoom(
                  devices.get(i),
                  probes.get(i).bytes() / sharing,
                  weights(checkpoint, devices.get(i), options.repack()),
                  weights(checkpoint, devices.get(i), false),
                  stored);
            })
        .toList();
  }

  private static DeviceWeights weights(Checkpoint checkpoint, Device device, boolean repack) {
    return new DeviceWeights(
        checkpoint,
        (encoding, rows, cols, count) ->
            device.provider().weightBytes(encoding, rows, cols, count, repack));
  }

  private static Probe.Usable probe(Device device) {
    return switch (Backends.probe(device.provider(), device.device())) {
      case Probe.Usable usable -> usable;
      case Probe.Unusable(String because, String fix) ->
          throw new BackendException(
              "RuntimeOptions.backend "
                  + device.provider().name()
                  + " is not usable here: "
                  + because,
              fix);
    };
  }

  /** A device named twice, or parts of the host or of a backend's only device. */
  private static boolean oneMemory(List<Device> devices, List<Probe.Usable> probes, int i, int j) {
    return i == j
        || devices.get(i).provider().name().equals(devices.get(j).provider().name())
            && (probes.get(i).device().equals(probes.get(j).device())
                || devices.get(i).provider().host()
                || devices.get(i).provider().probeAll().size() == 1);
  }
}
