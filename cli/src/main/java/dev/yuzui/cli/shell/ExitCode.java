package dev.yuzui.cli.shell;

/** What scripts may rely on. */
public final class ExitCode {
  public static final int DONE = 0;
  public static final int FAILED = 1;
  public static final int USAGE = 2;

  /** Backends do not compute the same. */
  public static final int DIFFERENT = 3;

  public static final int INTERRUPTED = 130;

  private ExitCode() {}
}
