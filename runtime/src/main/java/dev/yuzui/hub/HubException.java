package dev.yuzui.hub;

/** A model that cannot be had. The message never holds the token. */
public final class HubException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private static final int LONGEST = 200;

  /** Who has to do something about it. */
  public enum Fault {
    /** The caller: something else was expected of a name, an option or what it names. */
    ASKED,
    /** The network, the hub or the disk. */
    SYSTEM,
    /** The caller, who wanted it to end. */
    INTERRUPTED
  }

  private final Fault fault;

  private HubException(Fault fault, String message) {
    super(message);
    this.fault = fault;
  }

  static HubException expected(String what, String expected, String found) {
    return asked(what + ": expected " + expected + ", found " + found);
  }

  static HubException asked(String message) {
    return new HubException(Fault.ASKED, message);
  }

  static HubException system(String message) {
    return new HubException(Fault.SYSTEM, message);
  }

  static HubException interrupted(String message) {
    return new HubException(Fault.INTERRUPTED, message);
  }

  public Fault fault() {
    return fault;
  }

  /** What a server wrote: no control characters, and not pages of it. */
  static String printable(String text) {
    String plain = text.replaceAll("[\\p{Cntrl}\\p{Cf}\\u2028\\u2029]", "?").strip();
    return plain.length() <= LONGEST ? plain : plain.substring(0, LONGEST) + "…";
  }
}
