package dev.yuzui.cli.shell;

/**
 * Input or usage that cannot be used: exit code 2. The message names the flag or file, and the fix.
 */
public class UsageException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public UsageException(String message) {
    super(message);
  }

  public static UsageException ofFlag(String flag, String expected, String found) {
    return new UsageException(flag + ": expected " + expected + ", found " + found);
  }
}
