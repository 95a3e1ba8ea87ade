package dev.yuzui.kit;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.BackendProvider;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ProcessorGroups;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * The reference as devices {@code failing:0} to {@code failing:7}, each of which can be told to go.
 * A module whose tests want it names it in a file of services.
 */
public final class FailingProvider implements BackendProvider {
  static final String NAME = "failing";

  private static final int NEVER = -1;

  /** Synchronizations that each device has left, or {@link #NEVER}. */
  private static final AtomicIntegerArray LEFT = new AtomicIntegerArray(ProcessorGroups.MOST);

  static {
    allGoOn();
  }

  /**
   * The device is lost when its queues are waited for the next time after so many; opened again, it
   * goes on.
   */
  public static void failAfter(int device, int synchronizations) {
    LEFT.set(device, synchronizations);
  }

  /** No device will fail that has not yet. */
  public static void allGoOn() {
    for (int device = 0; device < LEFT.length(); device++) {
      LEFT.set(device, NEVER);
    }
  }

  /** Whether this synchronization is the one that fails. */
  static boolean failsNow(int device) {
    return LEFT.getAndUpdate(device, left -> left == NEVER ? NEVER : left - 1) == 0;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int preference() {
    return -1;
  }

  @Override
  public Probe probe() {
    return new ReferenceProvider().probe();
  }

  @Override
  public Probe probe(Optional<String> device) {
    ProcessorGroups.number(NAME, device);
    return probe();
  }

  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    return new ReferenceProvider().weightBytes(encoding, rows, cols, count, repack);
  }

  @Override
  public Backend open(BackendOptions options) {
    return new FailingBackend(
        new ReferenceProvider().open(BackendOptions.defaults()),
        ProcessorGroups.number(NAME, options.device()));
  }
}
