package dev.yuzui.text;

import dev.yuzui.text.MarkScanner.Look;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Reads an answer token by token: what is thought, what is said, which tools are called. However
 * the tokens come, one by one or several at once, the message is the same. Where the vocabulary has
 * a mark as a control token, only that token is the mark; its letters are part of the text.
 */
public final class OutputParser {
  private enum State {
    START,
    REASONING,
    GAP,
    CONTENT,
    CALLS
  }

  private final OutputFormat format;
  private final List<Tool> offered;
  private final MarkSpelling spelling;
  private final MarkScanner held = new MarkScanner();
  private final List<OutputEvent> events = new ArrayList<>();
  private final List<String> pending = new ArrayList<>();
  private final CallWriter writer;
  private final String think;
  private final String endOfThinking;
  private final String call;
  private State state;
  private boolean stops;
  private int allowed;
  private Optional<CallReader> reader = Optional.empty();

  /**
   * @param offered tools that may be called; without any, calls are part of the text
   * @param before calls that the conversation has already
   */
  OutputParser(
      OutputFormat format,
      Tokenizer tokenizer,
      OutputFormat.Opening opening,
      List<Tool> offered,
      int before) {
    this.format = format;
    this.offered = List.copyOf(offered);
    String begin = format.tools().begin().strip();
    spelling = new MarkSpelling(tokenizer, List.of());
    think = spelling.mark(OutputFormat.THINK);
    endOfThinking = spelling.mark(OutputFormat.END_THINK);
    call = spelling.mark(begin);
    writer = new CallWriter(format, before, events::add);
    CallReader _ = CallReader.of(format.tools(), spelling, offered); // knows its marks from now on
    state =
        switch (opening) {
          case FREE -> State.START;
          case THINKING -> State.REASONING;
          case ANSWERING -> State.CONTENT;
        };
  }

  /** What {@code token} makes certain, in order. */
  public List<OutputEvent> push(int token) {
    return read(spelling.push(token));
  }

  /**
   * As {@link #push(int)}, of an answer that may end at a stop text, of which its tokens say more.
   *
   * @param shown what became certain with the token of the text that is shown
   */
  public List<OutputEvent> push(int token, String shown) {
    stops = true;
    allowed += shown.length();
    pending.add(spelling.push(token));
    while (!pending.isEmpty() && spelling.visible(pending.getFirst()) <= allowed) {
      allowed -= spelling.visible(pending.getFirst());
      held.push(pending.removeFirst());
    }
    return read();
  }

  /** What was held back because it might have become a mark; nothing follows. */
  public List<OutputEvent> finish() {
    if (stops) {
      pending.stream().findFirst().ifPresent(piece -> held.push(spelling.shown(piece, allowed)));
    } else {
      held.push(spelling.finish());
    }
    if (state != State.CALLS) {
      held.end(); // a cut call shows nothing of what might have ended it
    }
    while (step()) {}
    reader.filter(_ -> state == State.CALLS).ifPresent(cut -> cut.cut(writer));
    return read();
  }

  /**
   * Of an answer that is whole.
   *
   * @param shown what of its text was shown: its tokens say more, where it ended at a stop text
   */
  public OutputMessage message(List<Integer> tokens, String shown) {
    List<OutputEvent> all = new ArrayList<>();
    String text = shown;
    for (int token : tokens) {
      all.addAll(push(token, text));
      text = "";
    }
    all.addAll(finish());
    return OutputMessage.of(all);
  }

  /** Whether the answer is inside the reasoning, so that a cut there leaves no answer. */
  public boolean reasoning() {
    return state == State.REASONING;
  }

  /** More of the text, with marks as {@link MarkSpelling} has them. */
  List<OutputEvent> read(String piece) {
    held.push(piece);
    return read();
  }

  private List<OutputEvent> read() {
    while (step()) {}
    List<OutputEvent> made = List.copyOf(events);
    events.clear();
    return made;
  }

  private boolean step() {
    return switch (state) {
      case START -> start();
      case REASONING -> reason();
      case GAP -> gap();
      case CONTENT -> content();
      case CALLS -> calls();
    };
  }

  /** An answer that begins with the tag, blanks aside, thinks. */
  private boolean start() {
    String text = held.peek();
    String begin = text.stripLeading();
    if (begin.startsWith(think)) {
      held.take(text.length() - begin.length() + think.length());
      state = State.REASONING;
      return true;
    }
    if (!held.ended() && think.startsWith(begin)) {
      return false;
    }
    state = State.CONTENT;
    return true;
  }

  private boolean reason() {
    List<String> marks = offered.isEmpty() ? List.of(endOfThinking) : List.of(endOfThinking, call);
    return switch (held.look(marks)) {
      case Look.Found(int at, String mark) -> {
        reasoning(held.take(at));
        held.take(mark.length());
        state = State.GAP;
        if (mark.equals(call)) {
          beginCalls(); // some forget to close
        }
        yield true;
      }
      case Look.Nothing(int safe) -> {
        reasoning(held.take(safe));
        yield false;
      }
    };
  }

  private boolean gap() {
    held.skipBlanks();
    if (held.isEmpty()) {
      return false;
    }
    state = State.CONTENT;
    return true;
  }

  /** Blanks before a call are the call's. */
  private boolean content() {
    if (offered.isEmpty()) {
      String text = held.peek();
      say(held.take(text.length()));
      return false;
    }
    return switch (held.look(List.of(call))) {
      case Look.Found(int at, String mark) -> {
        say(held.take(at - held.blanksBefore(at)));
        held.skipBlanks();
        held.take(mark.length());
        beginCalls();
        yield true;
      }
      case Look.Nothing(int safe) -> {
        say(held.take(held.ended() ? safe : safe - held.blanksBefore(safe)));
        yield false;
      }
    };
  }

  private void beginCalls() {
    state = State.CALLS;
    reader = Optional.of(CallReader.of(format.tools(), spelling, offered));
  }

  private boolean calls() {
    return switch (reader.orElseThrow().step(held, writer)) {
      case MORE -> true;
      case WAIT -> false;
      case DONE -> {
        state = State.GAP;
        yield true;
      }
    };
  }

  private void reasoning(String text) {
    if (!text.isEmpty()) {
      events.add(new OutputEvent.Reasoning(MarkSpelling.shown(text)));
    }
  }

  private void say(String text) {
    if (!text.isEmpty()) {
      events.add(new OutputEvent.Content(MarkSpelling.shown(text)));
    }
  }
}
