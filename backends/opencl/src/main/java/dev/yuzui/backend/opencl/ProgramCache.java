package dev.yuzui.backend.opencl;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Compiled programs on disk. A file's name is the digest of all that went into the program (source,
 * options, device, driver), so a stale one is never found; its first bytes are the digest of the
 * rest, so a damaged one is never given to a driver, which may not survive it. Whatever fails here
 * costs a compilation and nothing else.
 */
final class ProgramCache {
  private static final int DIGEST = 32;

  private final Optional<Path> folder;
  private final Consumer<String> log;

  /**
   * @param folder empty keeps nothing
   */
  ProgramCache(Optional<Path> folder, Consumer<String> log) {
    this.folder = folder.map(f -> f.resolve("opencl"));
    this.log = log;
  }

  /** The file name of a program. */
  static String key(DeviceFacts device, String stem, String source, String options) {
    String all =
        String.join(
            "\n",
            source,
            options,
            device.platform(),
            device.name(),
            device.version(),
            device.driver());
    return stem
        + "-"
        + HexFormat.of().formatHex(digest(all.getBytes(StandardCharsets.UTF_8)), 0, 16)
        + ".bin";
  }

  Optional<byte[]> read(String key) {
    if (folder.isEmpty() || !Files.exists(folder.get().resolve(key))) {
      return Optional.empty();
    }
    Path file = folder.get().resolve(key);
    try {
      byte[] bytes = Files.readAllBytes(file);
      byte[] binary = Arrays.copyOfRange(bytes, Math.min(DIGEST, bytes.length), bytes.length);
      if (bytes.length > DIGEST && Arrays.equals(digest(binary), Arrays.copyOf(bytes, DIGEST))) {
        return Optional.of(binary);
      }
      log.accept("opencl: " + file + " is damaged; compiled again");
    } catch (IOException e) {
      log.accept("opencl: " + file + " cannot be read (" + e.getMessage() + "); compiled again");
    }
    return Optional.empty();
  }

  /**
   * Two processes may write at once: each its own file, moved in place whole.
   *
   * @param program its binary, asked for where it is kept alone: drivers compile to give it
   */
  void write(String key, Supplier<byte[]> program) {
    if (folder.isEmpty()) {
      return;
    }
    byte[] binary = program.get();
    Path file = folder.get().resolve(key);
    try {
      Files.createDirectories(folder.get());
      Path part = Files.createTempFile(folder.get(), key, ".part");
      try {
        byte[] bytes = Arrays.copyOf(digest(binary), DIGEST + binary.length);
        System.arraycopy(binary, 0, bytes, DIGEST, binary.length);
        Files.write(part, bytes);
        Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      log.accept("opencl: " + file + " cannot be written (" + e.getMessage() + ")");
    }
  }

  private static byte[] digest(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new LinkageError("every JDK has SHA-256", e);
    }
  }
}
