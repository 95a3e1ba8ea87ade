package dev.yuzui.convert;

/** A conversion that cannot begin, or cannot go on. */
public final class ConvertException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Who has to do something about it. */
  public enum Fault {
    /** The caller: something else was expected of an option or of a file. */
    ASKED,
    /** The system: a file can no longer be read or written. */
    SYSTEM
  }

  private final Fault fault;

  private ConvertException(Fault fault, String message) {
    super(message);
    this.fault = fault;
  }

  static ConvertException expected(String what, String expected, String found) {
    return asked(what + ": expected " + expected + ", found " + found);
  }

  static ConvertException asked(String message) {
    return new ConvertException(Fault.ASKED, message);
  }

  static ConvertException system(String message) {
    return new ConvertException(Fault.SYSTEM, message);
  }

  public Fault fault() {
    return fault;
  }
}
