package dev.yuzui.spark;

import dev.yuzui.engine.api.Generation;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.apache.spark.TaskKilledException;

/**
 * Who may be in the engines of this JVM: any number of requests and of tasks that open one
 * together, or one task that runs suspects, one at a time. If the process ends, then it is the
 * suspect's doing, for no other task had anything in it.
 */
final class Turns {
  private static final long WAIT_MILLIS = 200;

  private int together;
  private boolean alone;
  private int waiting;

  /**
   * Gives an engine a request, whose turn ends with its answer.
   *
   * @param wanted throws if there is nothing to wait for any longer
   */
  Generation together(Runnable wanted, Supplier<Generation> ask) {
    enter(wanted);
    Generation generation;
    try {
      generation = ask.get();
    } catch (RuntimeException | Error e) {
      leave();
      throw e;
    }
    var _ = generation.result().whenComplete((_, _) -> leave());
    return generation;
  }

  /** Does something with engines, such as opening one. */
  <T> T during(Runnable wanted, Supplier<T> something) {
    enter(wanted);
    try {
      return something.get();
    } finally {
      leave();
    }
  }

  private synchronized void enter(Runnable wanted) {
    await(wanted, () -> !alone && waiting == 0);
    together++;
  }

  private synchronized void leave() {
    together--;
    notifyAll();
  }

  /** Runs something while no request is in an engine but its own. */
  void alone(Runnable wanted, Runnable something) {
    enterAlone(wanted);
    try {
      something.run();
    } finally {
      leaveAlone();
    }
  }

  private synchronized void enterAlone(Runnable wanted) {
    waiting++;
    try {
      await(wanted, () -> !alone && together == 0);
      alone = true;
    } finally {
      waiting--;
      notifyAll();
    }
  }

  private synchronized void leaveAlone() {
    alone = false;
    notifyAll();
  }

  private synchronized void await(Runnable wanted, BooleanSupplier turn) {
    try {
      while (!turn.getAsBoolean()) {
        wanted.run();
        wait(WAIT_MILLIS);
      }
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      throw new TaskKilledException("interrupted");
    }
  }
}
