package dev.yuzui.engine.api;

/**
 * A request or an option that cannot be met; the message says what, why, and the fix. One with a
 * cause is a failure on the way: of the device, of a listener, of a model that overflowed.
 */
public class EngineException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public EngineException(String message) {
    super(message);
  }

  public EngineException(String message, Throwable cause) {
    super(message, cause);
  }
}
