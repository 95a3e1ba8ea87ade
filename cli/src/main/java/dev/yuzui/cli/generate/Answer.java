package dev.yuzui.cli.generate;

import dev.yuzui.cli.shell.Context;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.Token;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.ReasoningFilter.Segment;
import java.util.List;
import java.util.stream.Stream;

/** Shows an answer as it is made: reasoning to stderr or nowhere, the rest to stdout. */
public final class Answer {
  private final Context context;
  private final ReasoningFilter filter;
  private final boolean silent;
  private final StringBuilder text = new StringBuilder();
  private boolean reasoned;

  /**
   * @param silent keep the answer for later instead of printing it
   */
  public Answer(Context context, ReasoningFilter filter, boolean silent) {
    this.context = context;
    this.filter = filter;
    this.silent = silent;
  }

  /** Shows all of it. */
  public GenerationResult follow(Generation generation) {
    try (Stream<Token> tokens = generation.tokens()) {
      tokens.forEach(token -> show(filter.push(token.text())));
      show(filter.finish());
      return generation.await();
    }
  }

  /** The answer without what the filter took out. */
  public String text() {
    return text.toString();
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
          if (!silent) {
            context.out().printNow(segment.text());
          }
        }
      }
    }
  }
}
