package dev.yuzui.engine.schedule;

import java.util.List;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/**
 * One step of the device. As with {@link RequestEvent}, whoever makes one sees first whether
 * somebody records: the class's first use sets up the flight recorder, which takes a tenth of a
 * second.
 */
@Name("dev.yuzui.Step")
@Label("Step")
@Category("Yuzui")
@StackTrace(false)
final class StepEvent extends Event {
  @Label("Rows")
  @Description("Tokens appended")
  int rows;

  @Label("Sequences")
  int sequences;

  @Label("Queue length")
  @Description("Requests that wait for a sequence")
  int queueLength;

  @Label("Free pages")
  int freePages;

  static StepEvent begun() {
    StepEvent event = new StepEvent();
    event.begin();
    return event;
  }

  void commit(List<? extends Scheduler.Grant<?>> grants, int waiting, int pages) {
    rows = grants.stream().mapToInt(Scheduler.Grant::tokens).sum();
    sequences = grants.size();
    queueLength = waiting;
    freePages = pages;
    commit();
  }
}
