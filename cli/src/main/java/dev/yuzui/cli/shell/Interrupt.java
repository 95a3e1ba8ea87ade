package dev.yuzui.cli.shell;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jline.utils.Signals;

/**
 * While open, the first Ctrl-C does what it is told; a second one ends the program at once. Others
 * may be told to end too, as SIGTERM is.
 */
public final class Interrupt implements AutoCloseable {
  private final AtomicBoolean requested = new AtomicBoolean();
  private final Map<String, Object> previous = new HashMap<>();

  /**
   * @param action on a thread of the JVM's
   */
  public Interrupt(Runnable action) {
    this(Map.of("INT", action));
  }

  /**
   * @param actions by the signal that asks for them, on a thread of the JVM's
   */
  public Interrupt(Map<String, Runnable> actions) {
    actions.forEach(
        (signal, action) ->
            previous.put(
                signal,
                Signals.register(
                    signal,
                    () -> {
                      if (requested.getAndSet(true)) {
                        Runtime.getRuntime().halt(ExitCode.INTERRUPTED);
                      }
                      action.run();
                    })));
  }

  @Override
  public void close() {
    previous.forEach(Signals::unregister);
  }
}
