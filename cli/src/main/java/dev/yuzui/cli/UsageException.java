package dev.yuzui.cli;

/**
 * Input or usage that cannot be used: exit code 2. The message names the flag or file, and the fix.
 */
class UsageException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  UsageException(String message) {
    super(message);
  }

  static UsageException ofFlag(String flag, String expected, String found) {
    return new UsageException(flag + ": expected " + expected + ", found " + found);
  }
}
