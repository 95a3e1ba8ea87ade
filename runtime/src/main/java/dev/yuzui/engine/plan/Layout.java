package dev.yuzui.engine.plan;

import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.weights.Checkpoint;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A model laid over devices.
 *
 * @param rooms of the devices that are used, as the plan numbers them
 * @param demands of each
 * @param reasons what was chosen and why, a line each
 */
record Layout(
    List<DeviceRoom> rooms, DevicePlan plan, List<DeviceDemand> demands, List<String> reasons) {

  Layout {
    rooms = List.copyOf(rooms);
    demands = List.copyOf(demands);
    reasons = List.copyOf(reasons);
  }

  static Layout of(
      Checkpoint checkpoint,
      List<DeviceRoom> rooms,
      DevicePlan plan,
      RuntimeOptions options,
      List<String> reasons) {
    List<DeviceDemand> demands =
        IntStream.range(0, rooms.size())
            .mapToObj(d -> DeviceDemand.of(checkpoint, plan, d, rooms, options))
            .toList();
    return new Layout(rooms, plan, demands, reasons);
  }

  Layout because(String reason) {
    return new Layout(rooms, plan, demands, List.of(reason));
  }

  /** Tokens of the longest context that every device has room for, at most {@code most}. */
  int largestContext(int most) {
    return IntStream.range(0, rooms.size())
        .map(d -> demands.get(d).largestContext(rooms.get(d).available(), most))
        .min()
        .orElseThrow();
  }
}
