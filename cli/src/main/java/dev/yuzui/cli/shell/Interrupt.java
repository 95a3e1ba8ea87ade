package dev.yuzui.cli.shell;

import java.util.concurrent.atomic.AtomicBoolean;
import org.jline.utils.Signals;

/** While open, the first Ctrl-C does what it is told; a second one ends the program at once. */
public final class Interrupt implements AutoCloseable {
  private static final String SIGNAL = "INT";

  private final AtomicBoolean requested = new AtomicBoolean();
  private final Object previous;

  /**
   * @param action on a thread of the JVM's
   */
  public Interrupt(Runnable action) {
    previous =
        Signals.register(
            SIGNAL,
            () -> {
              if (requested.getAndSet(true)) {
                Runtime.getRuntime().halt(ExitCode.INTERRUPTED);
              }
              action.run();
            });
  }

  @Override
  public void close() {
    Signals.unregister(SIGNAL, previous);
  }
}
