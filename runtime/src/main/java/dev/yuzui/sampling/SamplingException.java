package dev.yuzui.sampling;

/** Logits that no token can be drawn from. */
public class SamplingException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public SamplingException(String message) {
    super(message);
  }
}
