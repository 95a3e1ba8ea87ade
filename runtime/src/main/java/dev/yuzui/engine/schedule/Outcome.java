package dev.yuzui.engine.schedule;

import java.util.Locale;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.EngineException;

/** How a request ended. */
sealed interface Outcome {
  record Done(FinishReason reason) implements Outcome {}

  record Failed(EngineException why) implements Outcome {}

  static Outcome failed(RuntimeException e) {
    return new Failed(
        e instanceof EngineException known ? known : new EngineException(e.getMessage(), e));
  }

  /** Tells whoever waits for {@code job}, and the flight recorder. */
  default void report(Request job) {
    RequestEvent event = new RequestEvent();
    if (event.shouldCommit()) {
      event.queueTime = job.times().queueNanos();
      event.timeToFirstToken = job.times().firstTokenNanos();
      event.promptTokens = job.promptLength();
      event.tokens = job.made();
      event.finishReason =
          switch (this) {
            case Done(FinishReason reason) -> reason.name().toLowerCase(Locale.ROOT);
            case Failed _ -> "error";
          };
      event.commit();
    }
    switch (this) {
      case Done(FinishReason reason) -> job.promise().complete(job.result(reason));
      case Failed(EngineException why) -> job.promise().fail(why);
    }
  }
}
