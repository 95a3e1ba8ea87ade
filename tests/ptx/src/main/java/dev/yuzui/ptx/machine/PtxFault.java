package dev.yuzui.ptx.machine;

/** A launch that a device would end: an access out of bounds, a barrier that never opens. */
public final class PtxFault extends RuntimeException {
  private static final long serialVersionUID = 1L;

  PtxFault(String message) {
    super(message);
  }
}
