package dev.yuzui.text;

import java.util.ArrayList;
import java.util.List;

/**
 * Splits an answer that begins with {@code <think>…</think>} into reasoning and answer, wherever
 * the pieces of the stream are cut. Only the block at the very beginning counts: an answer may talk
 * about the tags.
 */
public final class ReasoningFilter {
  private static final String OPEN = "<think>";
  private static final String CLOSE = "</think>";

  /** What becomes of the reasoning. */
  public enum Mode {
    /** left in the text as it is, tags and all */
    SHOW,
    /** dropped */
    HIDE,
    /** given apart, without its tags */
    STDERR
  }

  /** Where a piece of text belongs. */
  public enum Channel {
    ANSWER,
    REASONING
  }

  /** Text of one channel, never empty. */
  public record Segment(Channel channel, String text) {}

  private enum State {
    BEFORE,
    REASONING,
    GAP,
    ANSWER
  }

  private final Mode mode;
  private final StringBuilder held = new StringBuilder();
  private State state;

  /**
   * @param prompt R1's template opens the block itself at its end, V3.1's closes it; what a person
   *     wrote there does neither
   */
  public ReasoningFilter(Mode mode, Prompt prompt) {
    this.mode = mode;
    state =
        mode == Mode.SHOW || prompt.endsWith(CLOSE)
            ? State.ANSWER
            : prompt.endsWith(OPEN) ? State.REASONING : State.BEFORE;
  }

  /** What {@code piece} completes, in order. */
  public List<Segment> push(String piece) {
    held.append(piece);
    List<Segment> out = new ArrayList<>();
    while (step(out)) {}
    return out;
  }

  /** What was held back because it might have become a tag. */
  public List<Segment> finish() {
    List<Segment> out = new ArrayList<>();
    if (state == State.REASONING) {
      emit(Channel.REASONING, held.length(), out);
    } else if (state != State.GAP) {
      emit(Channel.ANSWER, held.length(), out);
    }
    held.setLength(0);
    return out;
  }

  /** Whether the stream is inside the reasoning, so that a cut there leaves no answer. */
  public boolean reasoning() {
    return state == State.REASONING;
  }

  private boolean step(List<Segment> out) {
    switch (state) {
      case BEFORE -> {
        String start = held.toString().stripLeading();
        if (start.startsWith(OPEN)) {
          held.delete(0, held.indexOf(OPEN) + OPEN.length());
          state = State.REASONING;
          return true;
        }
        if (!OPEN.startsWith(start)) {
          state = State.ANSWER;
          return true;
        }
        return false;
      }
      case REASONING -> {
        int close = held.indexOf(CLOSE);
        if (close >= 0) {
          emit(Channel.REASONING, close, out);
          held.delete(0, CLOSE.length());
          state = State.GAP;
          return true;
        }
        int back = Math.min(CLOSE.length() - 1, held.length());
        while (held.indexOf(CLOSE.substring(0, back), held.length() - back) < 0) {
          back--;
        }
        emit(Channel.REASONING, held.length() - back, out);
        return false;
      }
      case GAP -> {
        int text = held.length() - held.toString().stripLeading().length();
        held.delete(0, text);
        if (held.isEmpty()) {
          return false;
        }
        state = State.ANSWER;
        return true;
      }
      case ANSWER -> {
        emit(Channel.ANSWER, held.length(), out);
        return false;
      }
    }
    throw new AssertionError(state);
  }

  private void emit(Channel channel, int n, List<Segment> out) {
    if (n > 0 && (channel == Channel.ANSWER || mode == Mode.STDERR)) {
      out.add(new Segment(channel, held.substring(0, n)));
    }
    held.delete(0, n);
  }
}
