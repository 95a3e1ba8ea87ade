package dev.yuzui.weights;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Files of a checkpoint as memory. */
final class Mapping {
  private Mapping() {}

  /** All of {@code file}, read-only, until {@code arena} closes. */
  static MemorySegment map(Path file, Arena arena) {
    requireRegular(file);
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /** The bytes of a small file, refused when it is larger than {@code limit}. */
  static byte[] read(Path file, long limit) {
    requireRegular(file);
    try {
      long size = Files.size(file);
      if (size > limit) {
        throw new WeightException(
            file,
            "file",
            "at most " + limit + " bytes",
            size + " bytes",
            "check that this is the file its name says");
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  private static void requireRegular(Path file) {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new WeightException(file, "file", "a regular file", "something else", "check the path");
    }
  }

  static WeightException unreadable(Path file, IOException e) {
    return switch (e) {
      case NoSuchFileException _ ->
          new WeightException(
              file, "file", "an existing file", "none", "check the path, or download it again");
      case AccessDeniedException _ ->
          new WeightException(
              file, "file", "read permission", "access denied", "change the file's permissions");
      default ->
          new WeightException(
              file, "file", "a readable file", String.valueOf(e.getMessage()), "check the disk");
    };
  }
}
