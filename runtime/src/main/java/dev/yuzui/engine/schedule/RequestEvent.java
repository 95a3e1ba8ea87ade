package dev.yuzui.engine.schedule;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** A request that is over. */
@Name("dev.yuzui.Request")
@Label("Request")
@Category("Yuzui")
@StackTrace(false)
final class RequestEvent extends Event {
  @Label("Queue time")
  @Timespan
  long queueTime;

  @Label("Time to first token")
  @Timespan
  long timeToFirstToken;

  @Label("Prompt tokens")
  int promptTokens;

  @Label("Tokens")
  int tokens;

  @Label("Finish reason")
  String finishReason;
}
