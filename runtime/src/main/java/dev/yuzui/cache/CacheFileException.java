package dev.yuzui.cache;

import java.nio.file.Path;

/** A cache file that cannot be used, or written. The sequence it was meant for is as before. */
public class CacheFileException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public CacheFileException(
      Path file, String what, String expected, String found, String fix, Throwable cause) {
    super("%s: %s: expected %s, found %s; %s".formatted(file, what, expected, found, fix), cause);
  }

  CacheFileException(Path file, String what, Object expected, Object found, String fix) {
    this(file, what, expected.toString(), found.toString(), fix, null);
  }
}
