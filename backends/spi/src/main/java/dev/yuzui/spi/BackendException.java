package dev.yuzui.spi;

/** A device refused or failed; the message says what, where, and the fix. */
public class BackendException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public BackendException(String what, String fix) {
    super(what + ": " + fix);
  }

  public BackendException(String what, String fix, Throwable cause) {
    super(what + ": " + fix, cause);
  }
}
