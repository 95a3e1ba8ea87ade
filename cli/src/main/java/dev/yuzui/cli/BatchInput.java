package dev.yuzui.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Where requests come from.
 *
 * @param name of a file, or {@code -}
 */
record BatchInput(Context context, String name) {
  BatchLines open() {
    return new BatchLines("-i " + name, stream());
  }

  private InputStream stream() {
    if (name.equals("-")) {
      return context.in();
    }
    try {
      Path file = Path.of(name);
      if (Files.isDirectory(file)) {
        throw UsageException.ofFlag("-i", "a file", name + ", which is a folder");
      }
      return Files.newInputStream(file);
    } catch (NoSuchFileException _) {
      throw UsageException.ofFlag("-i", "a file", name + ", which does not exist");
    } catch (IOException e) {
      throw UsageException.ofFlag("-i", "a readable file", name + ": " + e.getMessage());
    }
  }

  /** Whether it can be read more than once. */
  boolean isFile() {
    return !name.equals("-") && Files.isRegularFile(Path.of(name));
  }

  /**
   * Complains if {@code output} is the input, under whatever name: results in it would be read as
   * requests, for ever.
   *
   * @param output name of a file, or {@code -}
   */
  void requireOther(String output) {
    Path to = Path.of(output.equals("-") ? "/dev/stdout" : output);
    try {
      if (isFile() && Files.exists(to) && Files.isSameFile(Path.of(name), to)) {
        throw UsageException.ofFlag("-o", "another file than -i", output + ", which is the same");
      }
    } catch (IOException e) {
      throw UsageException.ofFlag("-o", "a file that can be looked at", output + ": " + e);
    }
  }
}
