package dev.yuzui.engine.api;

/**
 * What a lone sequence's steps took since the engine was opened: the terms of what guessing is
 * worth.
 *
 * @param plain steps of one token
 * @param checking steps of one token and guesses
 * @param drafting making those guesses
 */
public record StepTimes(Kind plain, Kind checking, Kind drafting) {
  public static final StepTimes NONE = new StepTimes(Kind.NONE, Kind.NONE, Kind.NONE);

  /** Steps of a kind, and their time together. */
  public record Kind(long steps, long nanos) {
    public static final Kind NONE = new Kind(0, 0);

    Kind minus(Kind earlier) {
      return new Kind(steps - earlier.steps, nanos - earlier.nanos);
    }

    /** Of a step; NaN without one. */
    public double milliseconds() {
      return nanos * 1e-6 / steps;
    }
  }

  /** What came since. */
  public StepTimes minus(StepTimes earlier) {
    return new StepTimes(
        plain.minus(earlier.plain),
        checking.minus(earlier.checking),
        drafting.minus(earlier.drafting));
  }
}
