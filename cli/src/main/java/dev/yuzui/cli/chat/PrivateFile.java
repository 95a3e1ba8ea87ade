package dev.yuzui.cli.chat;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/** A file of what a person wrote, which nobody else is to read. */
final class PrivateFile {
  private static final Set<PosixFilePermission> FILE = PosixFilePermissions.fromString("rw-------");
  private static final Set<PosixFilePermission> FOLDER =
      PosixFilePermissions.fromString("rwx------");

  private PrivateFile() {}

  /**
   * Makes it, and the folders it lacks, for its owner alone; takes it from others where it was
   * there.
   *
   * @return {@code file}
   * @throws IOException if it cannot be written by this user alone
   */
  static Path open(Path file) throws IOException {
    boolean posix = file.getFileSystem().supportedFileAttributeViews().contains("posix");
    Files.createDirectories(file.toAbsolutePath().getParent(), attributes(posix, FOLDER));
    try {
      return Files.createFile(file, attributes(posix, FILE));
    } catch (FileAlreadyExistsException e) {
      if (!Files.isRegularFile(file)) {
        throw e;
      }
    }
    if (posix && !Files.getPosixFilePermissions(file).equals(FILE)) {
      Files.setPosixFilePermissions(file, FILE);
    }
    if (!Files.isWritable(file)) {
      throw new AccessDeniedException(file.toString());
    }
    return file;
  }

  private static FileAttribute<?>[] attributes(boolean posix, Set<PosixFilePermission> mode) {
    return posix
        ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(mode)}
        : new FileAttribute<?>[0];
  }
}
