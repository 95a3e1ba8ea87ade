package dev.yuzui.grammar;

/**
 * A grammar that cannot be used: malformed, with something that cannot be honoured, or too large.
 * The message names the place, what was expected, what was found, and the fix where there is one.
 */
public class GrammarException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public GrammarException(String message) {
    super(message);
  }

  public GrammarException(String message, Throwable cause) {
    super(message, cause);
  }
}
