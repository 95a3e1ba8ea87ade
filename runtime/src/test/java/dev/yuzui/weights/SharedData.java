package dev.yuzui.weights;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Real files of the DeepSeek world that are too large, or not ours, to commit. */
final class SharedData {
  private SharedData() {}

  /** The file or folder, or a named skip. */
  static Path path(String relative) {
    Path path = resolve(relative);
    assumeTrue(Files.exists(path), () -> "no reference data at " + path);
    return path;
  }

  static boolean has(String relative) {
    return Files.exists(resolve(relative));
  }

  private static Path resolve(String relative) {
    return Path.of(System.getProperty("yuzui.shared", "../shared")).resolve(relative);
  }
}
