package dev.yuzui.cli;

import dev.yuzui.engine.GenerationListener;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.ReasoningFilter.Segment;
import java.util.List;

/**
 * Shows an answer as it is made: reasoning to stderr or nowhere, the rest to stdout. Ctrl-C cancels
 * it.
 */
final class Answer implements GenerationListener {
  private final Context context;
  private final ReasoningFilter filter;
  private final Interrupt interrupt;
  private final boolean silent;
  private final StringBuilder text = new StringBuilder();
  private boolean reasoned;

  /**
   * @param silent keep the answer for later instead of printing it
   */
  Answer(Context context, ReasoningFilter filter, Interrupt interrupt, boolean silent) {
    this.context = context;
    this.filter = filter;
    this.interrupt = interrupt;
    this.silent = silent;
  }

  @Override
  public void token(int id, String piece) {
    show(filter.push(piece));
  }

  @Override
  public boolean cancelled() {
    return interrupt.requested();
  }

  void finish() {
    show(filter.finish());
  }

  /** The answer without what the filter took out. */
  String text() {
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
