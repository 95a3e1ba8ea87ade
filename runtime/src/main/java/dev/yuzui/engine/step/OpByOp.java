package dev.yuzui.engine.step;

import dev.yuzui.model.Course;
import dev.yuzui.model.Step;
import dev.yuzui.model.Tap;
import dev.yuzui.parallel.DeviceExchange;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.Sent;
import dev.yuzui.spi.Tensor;
import java.util.List;
import java.util.Map;

/** Runs what a rank enqueues at once, and waits wherever devices meet. */
final class OpByOp implements Course {
  private final RankRunner rank;
  private final DeviceGroup group;
  private final RankRunner.Shape shape;
  private Tap tap = Tap.none();
  private int device;

  /**
   * @param device where the pass begins
   */
  OpByOp(RankRunner rank, DeviceGroup group, RankRunner.Shape shape, int device) {
    this.rank = rank;
    this.group = group;
    this.shape = shape;
    this.device = device;
  }

  /** Told of what follows. */
  void tap(Tap tap) {
    this.tap = tap;
  }

  /** Where the pass is. */
  int device() {
    return device;
  }

  @Override
  public Step on(int there) {
    return rank.step(shape, there, this, tap);
  }

  @Override
  public void move(int fromDevice, Tensor from, int toDevice, Tensor to) {
    rank.queue(fromDevice).synchronize();
    group.each(Map.of(toDevice, () -> group.copy(fromDevice, from, toDevice, to)));
    device = toDevice;
  }

  @Override
  public void meet(DeviceExchange exchange, Sent sent, Runnable beside) {
    rank.queue(device).synchronize();
    exchange.meet(List.of(rank.arrival(sent, beside)));
  }
}
