package dev.yuzui.parallel;

import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/** The exchanges of all layers, which share a room on each device. */
public final class Exchanges implements AutoCloseable {
  private final DeviceGroup group;
  private final int copies;
  private final List<ExchangeRoom> rooms = new ArrayList<>();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final List<Tensor> ones = new ArrayList<>();
  private final Map<Integer, DeviceExchange> layers = new TreeMap<>();
  private Optional<Rebalancer> rebalancer = Optional.empty();
  private final long[] expertTokens;

  /**
   * @param rows of a step at most
   * @param hidden H
   * @param used K
   */
  public Exchanges(DeviceGroup group, int rows, int hidden, int used) {
    this.group = group;
    this.copies = Math.min(used, group.size());
    this.expertTokens = new long[group.size()];
    try {
      for (int d = 0; d < group.size(); d++) {
        rooms.add(new ExchangeRoom(d, group.backend(d), rows, hidden, used, group.size()));
        ones.add(allocateOnes(d, rows));
      }
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Tensor allocateOnes(int device, int rows) {
    long n = (long) rows * copies;
    DeviceBuffer buffer = group.backend(device).allocate(4 * n, "expert_ones");
    buffers.add(buffer);
    Tensor tensor = new Tensor("expert_ones", buffer, 0, Encoding.F32, rows, copies);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment values = arena.allocate(4 * n, 4);
      for (long i = 0; i < n; i++) {
        values.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1);
      }
      group.backend(device).write(tensor, values);
    }
    return tensor;
  }

  /**
   * @param shards what each device holds of the layer
   */
  public DeviceExchange add(int layer, int experts, List<Optional<ExpertShard>> shards) {
    DeviceExchange exchange = new DeviceExchange(this, layer, experts, shards);
    layers.put(layer, exchange);
    return exchange;
  }

  /** Devices that a row may go to, at most. */
  int copies() {
    return copies;
  }

  Tensor ones(int device, long rows) {
    return ones.get(device).slice("expert_ones", 0, rows);
  }

  void computed(int device, int slots) {
    expertTokens[device] += slots;
  }

  /** Choices of experts that a device computed since the start. */
  public long expertTokens(int device) {
    return expertTokens[device];
  }

  /** Lets {@code balancer} look at the loads between steps. */
  public void rebalanceBy(Rebalancer balancer) {
    rebalancer = Optional.of(balancer);
  }

  /** Between two steps, when nothing is under way. */
  public void rebalance() {
    rebalancer.ifPresent(r -> r.stepDone(this));
  }

  /**
   * From now on no row goes to a device that is lost.
   *
   * @throws ParallelException if an expert was there alone; everything is as before
   */
  public void lose(int device) {
    layers.values().forEach(layer -> layer.requireOthers(device));
    layers.values().forEach(layer -> layer.lose(device));
  }

  /** By layer. */
  public Collection<DeviceExchange> layers() {
    return layers.values();
  }

  ExchangeRoom room(int device) {
    return rooms.get(device);
  }

  void copy(int fromDevice, Tensor from, int toDevice, Tensor to) {
    group.copy(fromDevice, from, toDevice, to);
  }

  /** For each device, at the same time. */
  <T> void each(Map<Integer, T> byDevice, BiConsumer<ExchangeRoom, T> task) {
    Map<Integer, Runnable> tasks = new TreeMap<>();
    byDevice.forEach((device, what) -> tasks.put(device, () -> task.accept(room(device), what)));
    group.each(tasks);
  }

  @Override
  public void close() {
    rooms.forEach(ExchangeRoom::close);
    buffers.forEach(DeviceBuffer::close);
    rooms.clear();
    buffers.clear();
  }
}
