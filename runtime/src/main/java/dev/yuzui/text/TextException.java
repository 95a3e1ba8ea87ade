package dev.yuzui.text;

/**
 * A vocabulary or chat template that cannot be used. The message names the source, what was
 * expected, what was found, and the fix.
 */
public class TextException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public TextException(String message) {
    super(message);
  }

  public TextException(String message, Throwable cause) {
    super(message, cause);
  }
}
