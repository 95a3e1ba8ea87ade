package dev.yuzui.engine.plan;

import dev.yuzui.engine.api.Distribution;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.weights.Checkpoint;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Lays a model over devices by their free memory alone. The first of these that has room: all on
 * the first device; layers over the devices beside the processor; everything dense on the first
 * with as many experts as it has room for, the others on the processor; layers over all and the
 * processor.
 */
final class Fitting {
  /** Where less context is left, the device is too small for the model. */
  private static final int LEAST_CONTEXT = 512;

  /** Of a device's memory that a long context may have before experts do. */
  private static final int CONTEXT_SHARE = 16;

  private final Checkpoint checkpoint;
  private final List<DeviceRoom> rooms;
  private final RuntimeOptions options;
  private final ExpertUse use;
  private final int most;

  /**
   * @param most tokens of context that are of use
   */
  Fitting(
      Checkpoint checkpoint,
      List<DeviceRoom> rooms,
      RuntimeOptions options,
      ExpertUse use,
      int most) {
    this.checkpoint = checkpoint;
    this.rooms = rooms;
    this.options = options;
    this.use = use;
    this.most = most;
  }

  Layout layout() {
    Layout first = layers(rooms.subList(0, 1));
    Optional<List<DeviceRoom>> withCpu = withCpu();
    String taken = "everything on " + name(0) + " %s " + needs(first);
    if (fits(first)) {
      return rooms.size() == 1 ? first : first.because(taken.formatted("takes"));
    }
    String because = "; " + taken.formatted("would take");
    List<DeviceRoom> fast = withCpu.map(all -> all.subList(0, all.size() - 1)).orElse(rooms);
    Optional<Layout> chosen =
        fast.size() == 1 ? Optional.empty() : Optional.of(layers(fast)).filter(this::fits);
    chosen = chosen.or(() -> withCpu.flatMap(all -> hot(List.of(all.getFirst(), all.getLast()))));
    if (chosen.isEmpty() && withCpu.isEmpty() && rooms.size() == 1) {
      return first;
    }
    Layout found = chosen.orElseGet(() -> layers(withCpu.orElse(rooms)));
    return found.because(found.reasons().getFirst() + because);
  }

  private Layout layers(List<DeviceRoom> over) {
    return planned(over, Distribution.LAYERS);
  }

  private Layout planned(List<DeviceRoom> over, Distribution how) {
    return new Planner(checkpoint, over, options, use, context()).layout(how);
  }

  private int context() {
    return Math.min(most, RuntimeOptions.DEFAULT_CONTEXT);
  }

  private boolean fits(Layout layout) {
    return layout.largestContext(most) >= Math.min(most, LEAST_CONTEXT);
  }

  /** The devices and the processor, the last; empty where it is the first or not there at all. */
  private Optional<List<DeviceRoom>> withCpu() {
    if (rooms.getFirst().device().provider().host()) {
      return Optional.empty();
    }
    if (rooms.getLast().device().provider().host()) {
      return Optional.of(rooms);
    }
    return Backends.host()
        .map(
            cpu -> {
              List<Device> all =
                  Stream.concat(rooms.stream().map(DeviceRoom::device), Stream.of(cpu)).toList();
              return DeviceRoom.of(checkpoint, all, options);
            });
  }

  /** As many experts on the first device as there is room for beside everything dense. */
  private Optional<Layout> hot(List<DeviceRoom> both) {
    if (checkpoint.config().gate().experts() == 0) {
      return Optional.empty();
    }
    long usable = DeviceDemand.usable(both.getFirst().available());
    DeviceDemand dense =
        planned(both, Distribution.LAYERS.withExpertBudget(0)).demands().getFirst();
    long budget = usable - dense.total(contextWithin(usable / CONTEXT_SHARE, dense));
    return Optional.of(planned(both, Distribution.LAYERS.withExpertBudget(Math.max(0, budget))))
        .filter(this::fits);
  }

  /**
   * At least the usual context; more of it as long as the cache takes no more than {@code bytes}.
   */
  private int contextWithin(long bytes, DeviceDemand demand) {
    int fits = context();
    int tooMany = most + 1;
    while (fits + 1 < tooMany) {
      int middle = (fits + tooMany) >>> 1;
      if (demand.total(middle) - demand.total(0) <= bytes) {
        fits = middle;
      } else {
        tooMany = middle;
      }
    }
    return fits;
  }

  private String needs(Layout first) {
    return MemoryPlan.size(first.demands().getFirst().total(context()))
        + " of the "
        + MemoryPlan.size(first.rooms().getFirst().available())
        + " free";
  }

  private String name(int device) {
    return rooms.get(device).device().name();
  }
}
