package dev.yuzui.weights;

import java.nio.file.Path;

/**
 * A checkpoint that cannot be used. The message names the file, the tensor or key, what was
 * expected, what was found, and the fix.
 */
public class WeightException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private static final int LONGEST = 300;

  /**
   * @param what the tensor or metadata key, or "file"
   */
  public WeightException(Path file, String what, String expected, String found, String fix) {
    super(
        "%s: %s: expected %s, found %s; %s"
            .formatted(file, printable(what), printable(expected), printable(found), fix));
  }

  static WeightException absent(Path file, Part part, int layer) {
    return new WeightException(
        file,
        part + " of layer " + layer,
        "a part this model has",
        "none",
        "see inspect for the model's layers");
  }

  /** Names come from damaged files: no control characters, and not pages of them. */
  private static String printable(String text) {
    String plain = text.replaceAll("\\p{Cntrl}", "?");
    return plain.length() <= LONGEST ? plain : plain.substring(0, LONGEST) + "…";
  }
}
