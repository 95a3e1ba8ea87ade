package dev.yuzui.engine;

/** A request or an option that cannot be met; the message says what, why, and the fix. */
public class EngineException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public EngineException(String message) {
    super(message);
  }
}
