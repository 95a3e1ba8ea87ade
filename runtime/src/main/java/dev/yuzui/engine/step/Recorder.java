package dev.yuzui.engine.step;

import dev.yuzui.model.Course;
import dev.yuzui.model.Step;
import dev.yuzui.model.Tap;
import dev.yuzui.parallel.DeviceExchange;
import dev.yuzui.parallel.Sent;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Cuts what a rank enqueues into legs. */
final class Recorder implements Course {
  private final RankRunner rank;
  private final RankRunner.Shape shape;
  private final List<Leg> legs = new ArrayList<>();
  private int device;
  private boolean open;

  /**
   * @param device where the pass begins
   */
  Recorder(RankRunner rank, RankRunner.Shape shape, int device) {
    this.rank = rank;
    this.shape = shape;
    begin(device);
  }

  private void begin(int where) {
    device = where;
    rank.queue(where).begin();
    open = true;
  }

  private DeviceQueue.Recording take() {
    open = false;
    return rank.queue(device).end();
  }

  void end(Leg.Then then) {
    legs.add(new Leg(device, rank.queue(device), take(), then));
  }

  void abandon() {
    if (open) {
      rank.queue(device).abandon();
    }
    legs.forEach(Leg::close);
  }

  /** What was cut, when all has been enqueued. */
  List<Leg> legs() {
    return legs;
  }

  @Override
  public Step on(int there) {
    return rank.step(shape, there, this, Tap.none());
  }

  @Override
  public void move(int fromDevice, Tensor from, int toDevice, Tensor to) {
    end(new Leg.Then.Move(fromDevice, from, toDevice, to));
    begin(toDevice);
  }

  @Override
  public void meet(DeviceExchange exchange, Sent sent, Runnable beside) {
    end(new Leg.Then.End()); // closed with the others if what follows fails
    begin(device);
    beside.run();
    Leg before = legs.removeLast();
    legs.add(before.with(new Leg.Then.Meet(exchange, sent, take())));
    begin(device);
  }
}
