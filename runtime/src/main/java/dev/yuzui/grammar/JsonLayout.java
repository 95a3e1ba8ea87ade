package dev.yuzui.grammar;

/**
 * White space that JSON is written with. Every layout allows the compact form, without any, and
 * what Python's {@code json.dumps} writes, one space behind {@code :} and {@code ,}; names come in
 * the schema's order.
 */
public enum JsonLayout {
  /** Nothing but the two forms above. */
  COMPACT,
  /**
   * Also one space inside brackets; or, there and behind commas, a line's end and up to 64 spaces
   * or 16 tabs: what {@code indent=} gives.
   */
  SPACED
}
