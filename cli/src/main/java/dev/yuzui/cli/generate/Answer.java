package dev.yuzui.cli.generate;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Token;
import dev.yuzui.io.Json;
import dev.yuzui.text.OutputEvent;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.OutputParser;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.ReasoningFilter.Channel;
import dev.yuzui.text.ReasoningFilter.Segment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Shows an answer as it is made: reasoning to stderr or nowhere, the rest to stdout; a call of a
 * tool is a line of JSON.
 */
public final class Answer {
  private final Context context;
  private final ReasoningFilter filter;
  private final Optional<OutputParser> parser;
  private final boolean hidesReasoning;
  private final boolean silent;
  private final StringBuilder text = new StringBuilder();
  private final List<OutputEvent> events = new ArrayList<>();
  private boolean reasoned;
  private boolean midLine;

  /**
   * @param silent keep the answer for later instead of printing it
   */
  public Answer(Context context, ReasoningFilter filter, boolean silent) {
    this(context, filter, Optional.empty(), false, silent);
  }

  /**
   * @param parser of an answer that may call tools, whose reasoning is never part of it
   * @param hidesReasoning it is not shown at all then
   */
  public Answer(
      Context context,
      ReasoningFilter filter,
      Optional<OutputParser> parser,
      boolean hidesReasoning,
      boolean silent) {
    this.context = context;
    this.filter = filter;
    this.parser = parser;
    this.hidesReasoning = hidesReasoning;
    this.silent = silent;
  }

  /** Shows all of it. */
  public GenerationResult follow(Generation generation) {
    try (Stream<Token> tokens = generation.tokens()) {
      if (parser.isPresent()) {
        tokens.forEach(token -> take(parser.get().push(token.id(), token.text())));
        take(parser.get().finish());
      } else {
        tokens.forEach(token -> show(filter.push(token.text())));
        show(filter.finish());
      }
      return generation.await();
    }
  }

  /** The answer without what the filter took out, and without calls. */
  public String text() {
    return text.toString();
  }

  /** Of an answer that may call tools. */
  public OutputMessage message() {
    return OutputMessage.of(events);
  }

  private void take(List<OutputEvent> made) {
    for (OutputEvent event : made) {
      events.add(event);
      switch (event) {
        case OutputEvent.Reasoning(String thought) -> {
          if (!hidesReasoning) {
            show(List.of(new Segment(Channel.REASONING, thought)));
          }
        }
        case OutputEvent.Content(String said) -> show(List.of(new Segment(Channel.ANSWER, said)));
        case OutputEvent.CallBegin _, OutputEvent.CallArguments _ -> {}
        case OutputEvent.CallEnd(int index) -> {
          if (!silent) {
            OutputMessage.Call call = message().calls().get(index);
            // arguments are JSON already, unless the model was not held to it
            context
                .out()
                .printNow(
                    (midLine ? "\n" : "")
                        + "{\"name\": "
                        + Json.compact(call.name())
                        + ", \"arguments\": "
                        + call.arguments()
                        + "}");
            midLine = true;
          }
        }
      }
    }
  }

  private void show(List<Segment> segments) {
    for (Segment segment : segments) {
      switch (segment.channel()) {
        case REASONING -> {
          context.err().print(segment.text());
          context.err().flush();
          reasoned = true;
        }
        case ANSWER -> {
          if (reasoned) {
            context.err().println();
            reasoned = false;
          }
          text.append(segment.text());
          midLine = !segment.text().endsWith("\n");
          if (!silent) {
            context.out().printNow(segment.text());
          }
        }
      }
    }
  }
}
