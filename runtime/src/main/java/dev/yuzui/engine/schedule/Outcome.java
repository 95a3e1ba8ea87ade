package dev.yuzui.engine.schedule;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.FinishReason;
import java.util.Locale;
import jdk.jfr.FlightRecorder;

/** How a request ended. */
sealed interface Outcome {
  record Done(FinishReason reason) implements Outcome {}

  record Failed(EngineException why) implements Outcome {}

  static Outcome failed(RuntimeException e) {
    return new Failed(
        e instanceof EngineException known ? known : new EngineException(e.getMessage(), e));
  }

  /** Tells whoever waits for {@code request}, and the flight recorder. */
  default void report(Request request) {
    if (FlightRecorder.isInitialized()) {
      RequestEvent event = new RequestEvent();
      event.queueTime = request.times().queueNanos();
      event.timeToFirstToken = request.times().firstTokenNanos();
      event.promptTokens = request.promptLength();
      event.tokens = request.made();
      event.finishReason =
          switch (this) {
            case Done(FinishReason reason) -> reason.name().toLowerCase(Locale.ROOT);
            case Failed _ -> "error";
          };
      event.commit();
    }
    switch (this) {
      case Done(FinishReason reason) -> request.promise().complete(request.result(reason));
      case Failed(EngineException why) -> request.promise().fail(why);
    }
  }
}
