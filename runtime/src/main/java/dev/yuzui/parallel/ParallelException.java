package dev.yuzui.parallel;

/** Expert loads that cannot be read, or a placement that cannot be made. */
public class ParallelException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public ParallelException(String message) {
    super(message);
  }
}
