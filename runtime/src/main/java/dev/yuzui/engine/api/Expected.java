package dev.yuzui.engine.api;

/** What constructors check, in the words of all messages: what was expected, what was found. */
final class Expected {
  private Expected() {}

  /**
   * @param name of the record and its component: the command line turns it into a flag
   * @throws IllegalArgumentException unless {@code good}
   */
  static void that(boolean good, String name, String expected, Object found) {
    if (!good) {
      throw new IllegalArgumentException(name + ": expected " + expected + ", found " + found);
    }
  }

  static void atLeast(long least, long found, String name) {
    that(found >= least, name, least + " or more", found);
  }
}
