package dev.yuzui.engine.plan;

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
}
