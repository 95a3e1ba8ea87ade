package dev.yuzui.cli;

/** What scripts may rely on. */
final class ExitCode {
  static final int DONE = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;

  /** Backends do not compute the same. */
  static final int DIFFERENT = 3;

  static final int INTERRUPTED = 130;

  private ExitCode() {}
}
