package dev.yuzui.engine.schedule;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** One step of the device. */
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
}
