package dev.yuzui.weights;

import java.nio.file.Path;

/**
 * A checkpoint that cannot be used. The message names the file, the tensor or key, what was
 * expected, what was found, and the fix.
 */
public class WeightException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * @param what the tensor or metadata key, or "file"
   */
  public WeightException(Path file, String what, String expected, String found, String fix) {
    super(file + ": " + what + ": expected " + expected + ", found " + found + "; " + fix);
  }
}
