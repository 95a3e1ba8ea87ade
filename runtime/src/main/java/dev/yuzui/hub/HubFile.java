package dev.yuzui.hub;

import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A file of a repository.
 *
 * @param path within it, with slashes; {@link #requireInside} says which are none
 * @param size in bytes
 * @param checksum empty where only the cache was asked
 */
public record HubFile(String path, long size, Optional<Checksum> checksum) {
  private static final Pattern HEX = Pattern.compile("[0-9a-f]+");

  /** What may be a file's name on every system. */
  private static final Pattern PLAIN =
      Pattern.compile("[\\p{L}\\p{N}_.,+=@()\\[\\]{}~!# -]{1,250}");

  /**
   * What a file's bytes add up to, which also names them in the cache.
   *
   * @param hex in lower case
   */
  record Checksum(Kind kind, String hex) {
    enum Kind {
      /** Of the bytes. */
      SHA256("SHA-256", 64),
      /** SHA-1 of {@code blob SIZE\0} and the bytes, as git names them. */
      GIT("SHA-1", 40);

      private final String algorithm;
      private final int digits;

      Kind(String algorithm, int digits) {
        this.algorithm = algorithm;
        this.digits = digits;
      }

      String algorithm() {
        return algorithm;
      }
    }

    /**
     * Empty where it is none: a file without one cannot be fetched, but is no other file's harm.
     */
    static Optional<Checksum> of(Kind kind, String hex) {
      return hex.length() == kind.digits && HEX.matcher(hex).matches()
          ? Optional.of(new Checksum(kind, hex))
          : Optional.empty();
    }
  }

  /** What is behind the last slash. */
  String name() {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  boolean inRoot() {
    return path.indexOf('/') < 0;
  }

  /**
   * A listing that names a place outside of the repository is no listing to trust in anything.
   *
   * @throws HubException if {@code path} does
   */
  static void requireInside(String path) {
    boolean inside =
        !path.isEmpty()
            && path.chars().noneMatch(c -> c < ' ' || c == 0x7f)
            && List.of(path.replace('\\', '/').split("/", -1)).stream()
                .noneMatch(part -> part.isEmpty() || part.equals(".") || part.equals(".."));
    if (!inside) {
      throw refused(path, "a path inside the repository");
    }
  }

  /**
   * For files that are to be written.
   *
   * @throws HubException if the path is one that some system reads otherwise
   */
  void requirePlain() {
    requireInside(path);
    for (String part : path.split("/", -1)) {
      if (!PLAIN.matcher(part).matches() || !part.equals(part.strip()) || part.endsWith(".")) {
        throw refused(path, "plain letters, digits and signs in a file's name");
      }
    }
  }

  /**
   * For files that are to be fetched.
   *
   * @throws HubException if the listing does not say how long they are and how they are checked
   */
  void requireKnown() {
    if (size < 0 || checksum.isEmpty()) {
      throw HubException.system(
          "the hub's listing: expected a size and a checksum of "
              + path
              + ", found none; try again, or another endpoint");
    }
  }

  private static HubException refused(String path, String expected) {
    return HubException.system(
        "the hub's listing: expected "
            + expected
            + ", found '"
            + HubException.printable(path)
            + "'; nothing was written");
  }
}
