package dev.yuzui.parallel;

/** Where a step, as it is enqueued, stops for the exchange of a layer. */
@FunctionalInterface
public interface Meetings {
  /**
   * What was enqueued so far runs, then {@link DeviceExchange#meet}, with {@code beside}, which is
   * enqueued now, under way at the same time; then what is enqueued from now on.
   */
  void meet(DeviceExchange exchange, Sent sent, Runnable beside);

  /** For steps that meet nobody. */
  static Meetings none() {
    return (_, _, _) -> {
      throw new IllegalStateException("a step on one device meets no other");
    };
  }
}
