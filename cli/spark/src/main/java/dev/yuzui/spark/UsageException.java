package dev.yuzui.spark;

/** A run that cannot begin; the message names the flag, and the fix. */
final class UsageException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private UsageException(String message) {
    super(message);
  }

  static UsageException of(String message) {
    return new UsageException(message);
  }

  static UsageException ofFlag(String flag, String expected, String found) {
    return new UsageException(flag + ": expected " + expected + ", found " + found);
  }
}
