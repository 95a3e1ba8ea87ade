package dev.yuzui.text;

import java.util.Collection;
import java.util.HashSet;
import java.util.Set;

/**
 * A stream of tokens as a text in which control tokens that marks are made of stand between two
 * characters that no text has: where a vocabulary has {@code </think>} as a token, its letters are
 * no mark.
 */
final class MarkSpelling {
  private static final char OPEN = '\uFDD0';
  private static final char CLOSE = '\uFDD1';

  private final Tokenizer tokenizer;
  private final TextStream stream;
  private final Set<String> pieces = new HashSet<>();
  private final Set<String> hidden = new HashSet<>();

  /**
   * @param marks texts of templates
   */
  MarkSpelling(Tokenizer tokenizer, Collection<String> marks) {
    this.tokenizer = tokenizer;
    stream = new TextStream(tokenizer, true);
    marks.forEach(this::mark);
  }

  /** A template's text as it will come. */
  String mark(String text) {
    ControlTokens control = tokenizer.controlTokens();
    StringBuilder out = new StringBuilder();
    for (int at = 0; at < text.length(); ) {
      String piece = control.at(text, at);
      if (piece.isEmpty()) {
        out.append(text.charAt(at++));
      } else {
        pieces.add(piece);
        out.append(OPEN).append(piece).append(CLOSE);
        at += piece.length();
      }
    }
    return out.toString();
  }

  /** The text that {@code token} completes. */
  String push(int token) {
    if (tokenizer.isControl(token) || tokenizer.isSpecial(token)) {
      String piece = tokenizer.piece(token);
      if (pieces.contains(piece)) {
        if (tokenizer.isSpecial(token)) {
          hidden.add(piece);
        }
        return letters(stream.finish()) + OPEN + piece + CLOSE;
      }
      if (tokenizer.isEndOfGeneration(token)) {
        return "";
      }
    }
    return letters(stream.push(token));
  }

  String finish() {
    return letters(stream.finish());
  }

  /** Characters of a piece that a reader sees: of control tokens, those that are not special. */
  int visible(String piece) {
    int open = piece.indexOf(OPEN);
    if (open < 0) {
      return piece.length();
    }
    String control = piece.substring(open + 1, piece.length() - 1);
    return open + (hidden.contains(control) ? 0 : control.length());
  }

  /** The first {@code n} letters of a piece of which more are no part of the text. */
  String shown(String piece, int n) {
    int open = piece.indexOf(OPEN);
    return piece.substring(0, Math.min(n, open < 0 ? piece.length() : open));
  }

  private static String letters(String text) {
    return text.indexOf(OPEN) < 0 && text.indexOf(CLOSE) < 0
        ? text
        : text.replace(OPEN, '\uFFFD').replace(CLOSE, '\uFFFD');
  }

  /** What a reader sees of a text that holds no mark. */
  static String shown(String text) {
    return text.indexOf(OPEN) < 0 && text.indexOf(CLOSE) < 0
        ? text
        : text.replace(String.valueOf(OPEN), "").replace(String.valueOf(CLOSE), "");
  }
}
