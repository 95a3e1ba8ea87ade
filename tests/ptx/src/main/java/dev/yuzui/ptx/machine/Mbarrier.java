package dev.yuzui.ptx.machine;

import java.util.Optional;

/**
 * An mbarrier: a phase ends when as many have arrived as it was made for and all bytes that were
 * expected have come; the next begins at once.
 */
final class Mbarrier {
  private final int expected;

  /** The thread that made it, and its step then. */
  final int maker;

  final int step;

  /** The party that its bulk copies are for {@link ThreadClocks}. */
  final int copies;

  /** Whether fence.mbarrier_init or a proxy fence has shown it to the async proxy. */
  boolean shown;

  private int pending;
  private long bytes;
  private int phase;
  private Optional<ThreadClocks.Released> arrived = Optional.empty();
  private Optional<ThreadClocks.Released> completed = Optional.empty();

  Mbarrier(int expected, int maker, int step, int copies) {
    this.expected = expected;
    this.maker = maker;
    this.step = step;
    this.copies = copies;
    this.pending = expected;
  }

  /**
   * @return whether there was still somebody to come
   */
  boolean arrive(ThreadClocks.Released by) {
    join(by);
    pending--;
    boolean fits = pending >= 0;
    settle();
    return fits;
  }

  void expect(int more) {
    bytes += more;
  }

  void come(int fewer, ThreadClocks.Released by) {
    join(by);
    bytes -= fewer;
    settle();
  }

  private void join(ThreadClocks.Released by) {
    arrived = Optional.of(arrived.map(a -> ThreadClocks.both(a, by)).orElse(by));
  }

  private void settle() {
    if (pending == 0 && bytes == 0) {
      phase++;
      pending = expected;
      completed = arrived;
      arrived = Optional.empty();
    }
  }

  /** Whether the phase of {@code parity}, the one under way or the one before, has ended. */
  boolean ended(int parity) {
    return (phase & 1) != parity;
  }

  /** What those who were there for the last phase had done; empty before any has ended. */
  Optional<ThreadClocks.Released> completed() {
    return completed;
  }

  @Override
  public String toString() {
    return "phase %d, %d of %d to arrive, %d bytes to come"
        .formatted(phase, pending, expected, bytes);
  }
}
