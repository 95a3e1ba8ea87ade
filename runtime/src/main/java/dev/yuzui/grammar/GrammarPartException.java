package dev.yuzui.grammar;

/** What is wrong with a {@link GrammarSource.Named} part; the message begins with its name. */
public final class GrammarPartException extends GrammarException {
  private static final long serialVersionUID = 1L;

  GrammarPartException(String name, GrammarException cause) {
    super(name + ": " + cause.getMessage(), cause);
  }
}
