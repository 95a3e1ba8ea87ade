package dev.yuzui.engine.schedule;

import dev.yuzui.engine.api.Constraint.AtOnce;
import dev.yuzui.engine.api.Constraint.Begin;
import dev.yuzui.engine.api.Constraint.Behind;
import dev.yuzui.engine.api.Constraint.Either;
import dev.yuzui.grammar.Grammar;
import dev.yuzui.grammar.GrammarState;
import dev.yuzui.grammar.GrammarVocabulary;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * How far an answer is in what it may be: free until its mark has come, if it waits for one, then
 * held to a grammar. A token in whose midst the mark ends is judged by what it says behind it. For
 * one request, on the engine's thread; what is asked of a grammar that has become too ambiguous
 * throws {@link dev.yuzui.grammar.GrammarException}.
 */
final class Constrained {
  private enum Phase {
    /** Nothing has come, and the mark is waited for only behind the opening. */
    START,
    /** The mark has not come. */
    FREE,
    HELD
  }

  private final GrammarVocabulary vocabulary;
  private final boolean mayEnd;
  private final byte[] opening;
  private final byte[] mark;
  private final GrammarState state;
  private Phase phase;

  /** Bytes of the mark's beginning that the free text ends with. */
  private int matched;

  Constrained(Grammar grammar, Begin begin) {
    vocabulary = grammar.vocabulary();
    state = grammar.start();
    opening = begin instanceof Either(String text, _) ? vocabulary.template(text) : new byte[0];
    mark =
        vocabulary.template(
            switch (begin) {
              case AtOnce _ -> "";
              case Behind behind -> behind.mark();
              case Either either -> either.mark();
            });
    phase =
        switch (begin) {
          case AtOnce _ -> Phase.HELD;
          case Behind _ -> Phase.FREE;
          case Either _ -> Phase.START;
        };
    mayEnd = begin instanceof Behind behind && behind.mayEnd();
  }

  /** Whether {@code token} may come next. */
  boolean accepts(int token) {
    if (token >= vocabulary.size()) {
      return false; // models have more logits than tokens
    }
    return switch (phase) {
      case START -> opens(token) || state.accepts(token);
      case FREE -> vocabulary.ends().get(token) ? mayEnd : goesOn(vocabulary.bytes()[token]);
      case HELD -> state.accepts(token);
    };
  }

  private boolean opens(int token) {
    return Arrays.equals(vocabulary.bytes()[token], opening);
  }

  /** What follows the mark in a token, if it ends there, must be how the grammar begins. */
  private boolean goesOn(byte[] bytes) {
    int behind = behindMark(bytes);
    return bytes.length > 0
        && (behind < 0
            || behind == bytes.length
            || state.copy().acceptBytes(Arrays.copyOfRange(bytes, behind, bytes.length)));
  }

  /** Where in {@code bytes} the mark has ended, or −1. */
  private int behindMark(byte[] bytes) {
    int now = matched;
    for (int i = 0; i < bytes.length; i++) {
      now = matched(now, bytes[i]);
      if (now == mark.length) {
        return i + 1;
      }
    }
    return -1;
  }

  private int matched(int before, byte next) {
    int now = before;
    while (now > 0 && mark[now] != next) {
      now = border(now);
    }
    return mark[now] == next ? now + 1 : 0;
  }

  /** The longest beginning of the mark's first {@code n} bytes that they end with as well. */
  private int border(int n) {
    int border = n - 1;
    while (border > 0 && !Arrays.equals(mark, 0, border, mark, n - border, n)) {
      border--;
    }
    return border;
  }

  /** Goes on by a token that {@link #accepts} allows. */
  void accept(int token) {
    byte[] bytes = vocabulary.bytes()[token];
    switch (phase) {
      case START -> {
        phase = opens(token) ? Phase.FREE : Phase.HELD;
        if (phase == Phase.HELD) {
          state.accept(token);
        }
      }
      case FREE -> free(bytes);
      case HELD -> state.accept(token);
    }
  }

  private void free(byte[] bytes) {
    int behind = behindMark(bytes);
    if (behind >= 0) {
      phase = Phase.HELD;
      state.acceptBytes(Arrays.copyOfRange(bytes, behind, bytes.length));
      return;
    }
    for (byte b : bytes) {
      matched = matched(matched, b);
    }
  }

  /**
   * The tokens that may come next, a bit each, as many as the vocabulary has; none: it is stuck.
   */
  long[] mask() {
    long[] words = new long[vocabulary.words()];
    switch (phase) {
      case HELD -> state.mask(words);
      case START -> {
        state.mask(words);
        for (int id = 0; id < vocabulary.size(); id++) {
          if (opens(id)) {
            words[id >> 6] |= 1L << id;
          }
        }
      }
      case FREE -> {
        for (int id = 0; id < vocabulary.size(); id++) {
          if (accepts(id)) {
            words[id >> 6] |= 1L << id;
          }
        }
      }
    }
    return words;
  }

  /** What must come next, for messages. */
  String wanted() {
    String text = new String(state.forced(), StandardCharsets.UTF_8);
    return text.isEmpty() ? "more text" : "'" + text + "'";
  }

  /** Whether nothing may follow, not even the end. */
  boolean complete() {
    return phase == Phase.HELD && state.complete();
  }

  /** As many of {@code guesses} as may come. */
  int[] accepted(int[] guesses) {
    if (phase != Phase.HELD) {
      return phase == Phase.FREE ? guesses : new int[0];
    }
    int good = 0;
    while (good < guesses.length
        && guesses[good] < vocabulary.size()
        && !state.complete()
        && state.accepts(guesses[good])) {
      state.accept(guesses[good++]);
    }
    state.rollback(good);
    return Arrays.copyOf(guesses, good);
  }

  /**
   * Tokens of the text that must come, at most {@code most}. The model may spell it with others, so
   * they are no more than guesses.
   */
  int[] forced(int most) {
    if (phase != Phase.HELD || most <= 0) {
      return new int[0];
    }
    int[] tokens = state.forcedTokens();
    return tokens.length <= most ? tokens : Arrays.copyOf(tokens, most);
  }
}
