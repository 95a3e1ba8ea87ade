package dev.yuzui.engine.plan;

import dev.yuzui.spi.RepackCache;
import dev.yuzui.weights.Checkpoint;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What a model needs of one device.
 *
 * @param weightBytes of the device's memory; 0 where they stay in the mapped file
 * @param cacheBytes of the layers that are here
 * @param scratchBytes activations, logits and tables of the largest step, estimated from above, and
 *     weights made from the stored ones at load where they are used in the host's memory
 * @param exchangeBytes rows that come from other devices and go there
 * @param availableBytes free; devices of one memory have equal parts of it
 */
public record DeviceMemory(
    Device device,
    long weightBytes,
    long cacheBytes,
    long scratchBytes,
    long exchangeBytes,
    long availableBytes) {

  static DeviceMemory of(DeviceRoom room, DeviceDemand demand, int context) {
    return new DeviceMemory(
        room.device(),
        demand.weights(),
        demand.cache(context),
        demand.scratch(context),
        demand.exchange(),
        room.available());
  }

  public long totalBytes() {
    return weightBytes + cacheBytes + scratchBytes + exchangeBytes;
  }

  public long missingBytes() {
    return Math.max(0, totalBytes() - availableBytes);
  }

  /** Where this device would keep the weights of {@code checkpoint} as it repacks them. */
  public RepackCache repackCache(Path folder, Checkpoint checkpoint) {
    return new RepackCache(
        folder, checkpoint.config().name(), checkpoint.fingerprint(), weightBytes);
  }

  /** What a start would find there; empty where the device keeps none. */
  public Optional<RepackCache.State> repacked(Path folder, Checkpoint checkpoint) {
    return device.provider().repacked(repackCache(folder, checkpoint), device.device());
  }
}
