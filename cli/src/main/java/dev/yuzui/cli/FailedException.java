package dev.yuzui.cli;

/** Something outside failed while a command ran: exit code 1. */
class FailedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  FailedException(String message) {
    super(message);
  }
}
