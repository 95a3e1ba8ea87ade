package dev.yuzui.hub;

import dev.yuzui.io.Texts;
import dev.yuzui.io.WholeFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * A repository in the hub's cache, laid out as {@code huggingface_hub} does: {@code blobs/CHECKSUM}
 * hold the bytes, {@code snapshots/COMMIT/PATH} are links to them, {@code refs/main} is the commit.
 *
 * <p>What is not finished has names of its own, {@code CHECKSUM.yuzui.incomplete}: it has holes,
 * and the other tools take the length of an {@code .incomplete} file for what is there of it.
 */
final class HubCache {
  private static final long WAIT_MILLIS = 100;

  private final Path root;
  private final Path folder;

  HubCache(Path root, HubName name) {
    this.root = root.toAbsolutePath();
    this.folder = this.root.resolve(name.folder());
  }

  Path folder() {
    return folder;
  }

  Path snapshot(String commit) {
    return folder.resolve("snapshots").resolve(commit);
  }

  Path inSnapshot(String commit, String path) {
    return snapshot(commit).resolve(path);
  }

  Path blob(HubFile file) {
    return blobs().resolve(hex(file));
  }

  private Path blobs() {
    return folder.resolve("blobs");
  }

  private static String hex(HubFile file) {
    return file.checksum().orElseThrow().hex();
  }

  PartialFile partial(HubFile file, long mostPart) {
    String name = hex(file) + ".yuzui";
    return new PartialFile(
        blobs().resolve(name + ".incomplete"),
        blobs().resolve(name + ".ranges"),
        file.size(),
        mostPart);
  }

  /** Whether the bytes are here; a tool without links keeps them in the snapshot alone. */
  boolean has(String commit, HubFile file) {
    return isWhole(blob(file), file) || isWhole(inSnapshot(commit, file.path()), file);
  }

  private static boolean isWhole(Path path, HubFile file) {
    try {
      return Files.isRegularFile(path) && Files.size(path) == file.size();
    } catch (IOException _) {
      return false; // then it is fetched
    }
  }

  /**
   * Makes what is to be written to.
   *
   * @throws HubException if that is not possible
   */
  void prepare() {
    try {
      Files.createDirectories(blobs());
      Files.createDirectories(folder.resolve("snapshots"));
      Files.createDirectories(folder.resolve("refs"));
      Files.createDirectories(locks());
      if (!Files.isWritable(blobs())) {
        throw HubException.system("the cache " + root + ": cannot be written" + fix());
      }
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  private Path locks() {
    return root.resolve(".locks").resolve(folder.getFileName());
  }

  private HubException unwritable(IOException e) {
    String why =
        e instanceof FileAlreadyExistsException taken
            ? taken.getFile() + " is no folder"
            : Texts.reason(e);
    return HubException.system("the cache " + root + ": cannot be written: " + why + fix());
  }

  private static String fix() {
    return "; name another folder in HF_HUB_CACHE";
  }

  /**
   * @param bytes that are still to come
   * @throws HubException if there is no room for them
   */
  void requireRoom(long bytes) {
    try {
      long free = Files.getFileStore(blobs()).getUsableSpace();
      if (bytes > free) {
        throw HubException.system(
            "the cache "
                + root
                + ": expected room for "
                + Texts.bytes(bytes)
                + ", found "
                + Texts.bytes(free)
                + "; make room, or name a folder of another disk in HF_HUB_CACHE");
      }
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  /** Puts a file that has its blob into the snapshot. */
  void link(String commit, HubFile file) {
    Path link = inSnapshot(commit, file.path());
    Path blob = blob(file);
    try {
      if (isWhole(link, file)) {
        return;
      }
      Files.createDirectories(link.getParent());
      Files.deleteIfExists(link);
      try {
        Files.createSymbolicLink(link, link.getParent().relativize(blob));
      } catch (UnsupportedOperationException | IOException _) {
        hardLinkOrCopy(link, blob); // some systems have links for administrators only
      }
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  private static void hardLinkOrCopy(Path link, Path blob) throws IOException {
    try {
      Files.createLink(link, blob);
    } catch (UnsupportedOperationException | IOException _) {
      Files.copy(blob, link);
    }
  }

  /** Names the commit that a branch or tag means, once all of it is here. */
  void setRef(String revision, String commit) {
    Path ref = folder.resolve("refs").resolve(revision);
    try {
      if (!revision.equals(commit) && !commit(revision).equals(Optional.of(commit))) {
        Files.createDirectories(ref.getParent());
        WholeFile.write(ref, commit);
      }
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  /** The commit that {@code revision} meant when it was last asked for. */
  Optional<String> commit(String revision) {
    if (revision.matches(HubSnapshot.COMMIT) && Files.isDirectory(snapshot(revision))) {
      return Optional.of(revision);
    }
    Path ref = folder.resolve("refs").resolve(revision);
    try {
      return Files.isRegularFile(ref)
          ? Optional.of(Files.readString(ref).strip()).filter(c -> c.matches(HubSnapshot.COMMIT))
          : Optional.empty();
    } catch (IOException _) {
      return Optional.empty(); // as if it were not there
    }
  }

  /** What is whole in a snapshot: links that lead nowhere are none. */
  List<HubFile> files(String commit) {
    Path snapshot = snapshot(commit);
    if (!Files.isDirectory(snapshot)) {
      return List.of();
    }
    List<HubFile> files = new ArrayList<>();
    try (Stream<Path> all = Files.walk(snapshot)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        String path = snapshot.relativize(file).toString().replace('\\', '/');
        files.add(new HubFile(path, Files.size(file), Optional.empty()));
      }
    } catch (IOException e) {
      throw HubException.system("the cache " + root + ": cannot be read: " + Texts.reason(e));
    }
    files.sort(Comparator.comparing(HubFile::path));
    return files;
  }

  /** Held while blobs are written, by one pull of this machine. */
  record Locks(List<FileChannel> channels) implements AutoCloseable {
    @Override
    public void close() {
      for (FileChannel channel : channels) {
        try {
          channel.close();
        } catch (IOException _) {
          // it is given back when the process ends
        }
      }
    }
  }

  /**
   * Waits until nobody else fetches one of these files.
   *
   * @param files any, of which those of the same bytes are one
   */
  Locks lock(List<HubFile> files, Patience.Stop stop, Consumer<String> said) {
    // in one order, so that two pulls do not wait for each other
    List<String> names = files.stream().map(HubCache::hex).distinct().sorted().toList();
    Locks locks = new Locks(new ArrayList<>());
    boolean all = false;
    try {
      boolean told = false;
      for (String name : names) {
        FileChannel channel =
            FileChannel.open(
                locks().resolve(name + ".lock"),
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE);
        locks.channels().add(channel);
        while (!taken(channel)) {
          if (!told) {
            said.accept("waiting for another program that fetches the same files");
            told = true;
          }
          stop.check();
          Patience.pause(WAIT_MILLIS);
        }
      }
      all = true;
      return locks;
    } catch (IOException e) {
      throw unwritable(e);
    } finally {
      if (!all) {
        locks.close();
      }
    }
  }

  private static boolean taken(FileChannel channel) throws IOException {
    try {
      FileLock lock = channel.tryLock();
      return lock != null;
    } catch (OverlappingFileLockException _) {
      return false; // by a thread of this process
    }
  }
}
