package dev.yuzui.cli.shell;

/** Something outside failed while a command ran: exit code 1. */
public class FailedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public FailedException(String message) {
    super(message);
  }
}
