package dev.yuzui.batch;

/** A batch that cannot begin, or cannot go on. */
public final class BatchException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Who has to do something about it. */
  public enum Fault {
    /** The caller: something else was expected of an option or of a file. */
    ASKED,
    /** The system: a file that was good can no longer be read or written. */
    SYSTEM
  }

  private final Fault fault;

  private BatchException(Fault fault, String message) {
    super(message);
    this.fault = fault;
  }

  static BatchException expected(String what, String expected, String found) {
    return new BatchException(Fault.ASKED, what + ": expected " + expected + ", found " + found);
  }

  static BatchException asked(String message) {
    return new BatchException(Fault.ASKED, message);
  }

  static BatchException system(String message) {
    return new BatchException(Fault.SYSTEM, message);
  }

  public Fault fault() {
    return fault;
  }
}
