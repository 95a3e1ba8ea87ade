package dev.yuzui.sampling;

/** Logits that no token can be drawn from. */
public class SamplingException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final boolean overflow;

  /** No token may be drawn. */
  public SamplingException(String message) {
    this(message, false);
  }

  private SamplingException(String message, boolean overflow) {
    super(message);
    this.overflow = overflow;
  }

  /** The logits are none, whatever was asked for. */
  static SamplingException ofLogits(String found) {
    return new SamplingException("the logits are not numbers: " + found, true);
  }

  /** Whether the model's numbers are at fault, not what was asked of them. */
  public boolean isOverflow() {
    return overflow;
  }
}
