package dev.yuzui.text;

import java.util.BitSet;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What a model is asked, in pieces that say whether control tokens spelled in them are meant.
 * Nothing but the pieces decides: what people, tools or earlier answers wrote never becomes a
 * control token, whatever it spells. {@link Tokenizer#encode(Prompt)} turns it into ids.
 */
public record Prompt(List<Piece> pieces) {
  /** A stretch of the text. */
  public sealed interface Piece {
    String text();
  }

  /**
   * Text in which {@code <｜User｜>} is a token: a chat template's, or a prompt that was given raw.
   * What people wrote is in it too, up to where they spell a control token.
   */
  public record Template(String text) implements Piece {}

  /** Text in which {@code <｜User｜>} is eight letters. */
  public record Literal(String text) implements Piece {}

  public Prompt {
    pieces = List.copyOf(pieces);
  }

  /** Control tokens in it are tokens. */
  public static Prompt template(String text) {
    return new Prompt(List.of(new Template(text)));
  }

  /** Control tokens in it are letters. */
  public static Prompt literal(String text) {
    return new Prompt(List.of(new Literal(text)));
  }

  /** What it reads as; two prompts that read the same may mean different tokens. */
  public String text() {
    return pieces.stream().map(Piece::text).collect(Collectors.joining());
  }

  /** Whether the template, not someone's words, ends the prompt with {@code tag}, blanks aside. */
  public boolean endsWith(String tag) {
    StringBuilder end = new StringBuilder();
    for (Piece piece : pieces.reversed()) {
      if (!(piece instanceof Template template)) {
        break;
      }
      end.insert(0, template.text());
    }
    return end.toString().stripTrailing().endsWith(tag);
  }

  /** Places of the text that are of a {@link Literal}. */
  BitSet literals() {
    BitSet places = new BitSet();
    int at = 0;
    for (Piece piece : pieces) {
      int end = at + piece.text().length();
      places.set(at, end, piece instanceof Literal);
      at = end;
    }
    return places;
  }
}
