package dev.yuzui.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;

/**
 * Where results are appended, a line in one write, with a {@link BatchManifest} beside it. A killed
 * process leaves whole lines and perhaps a part of one, even of the first; the next process cuts
 * the part off, once all that is there has been shown to be this batch's ({@link BatchDone}). Until
 * then nothing is changed. A power failure takes the last seconds at most.
 */
final class BatchOutput implements AutoCloseable {
  private static final long FORCE_NANOS = 5_000_000_000L;

  private final String name;
  private final Optional<FileChannel> file;
  private final Out stdout;
  private final BatchDone done;
  private long forced = System.nanoTime();
  private boolean begun;

  private BatchOutput(String name, Optional<FileChannel> file, Out stdout, BatchDone done) {
    this.name = name;
    this.file = file;
    this.stdout = stdout;
    this.done = done;
  }

  /**
   * @param name of a file, or {@code -}
   * @param resume go on with a file that has results, instead of refusing it
   */
  static BatchOutput open(Context context, String name, boolean resume) {
    if (name.equals("-")) {
      if (resume) {
        throw UsageException.ofFlag("--resume", "a file to go on with", "-o -");
      }
      return new BatchOutput(name, Optional.empty(), context.out(), new BatchDone(name));
    }
    Path path = Path.of(name);
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw UsageException.ofFlag("-o", "a file, or - for standard output", name);
    }
    Unopened unopened = new Unopened(name, resume);
    try {
      FileChannel channel =
          FileChannel.open(
              path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      try {
        return new BatchOutput(
            name, Optional.of(channel), context.out(), unopened.prepare(channel));
      } catch (Throwable e) {
        channel.close();
        throw e;
      }
    } catch (IOException e) {
      throw UsageException.ofFlag("-o", "a file that can be written", name + ": " + e);
    }
  }

  private record Unopened(String name, boolean resume) {
    BatchDone prepare(FileChannel channel) throws IOException {
      lock(channel);
      if (channel.size() > 0 && !resume) {
        throw UsageException.ofFlag(
            "-o",
            "a new file",
            name + ", which exists; give another name, or --resume to go on with it");
      }
      return BatchDone.scan(name, Channels.newInputStream(channel));
    }

    /** Held until the process ends, however it does. */
    private void lock(FileChannel channel) throws IOException {
      boolean locked;
      try {
        locked = channel.tryLock() != null;
      } catch (OverlappingFileLockException _) {
        locked = false;
      }
      if (!locked) {
        throw UsageException.ofFlag(
            "-o", "a file of one process", name + ", which another one is writing");
      }
    }
  }

  /** What is there from before. */
  BatchDone done() {
    return done;
  }

  /**
   * Says what the answers are made with, before the first one; or compares it with what those that
   * are there were made with.
   *
   * @return what is not as it was, and may be
   * @throws UsageException if other answers would be mixed into those that are there
   */
  List<String> begin(BatchManifest manifest) {
    if (file.isEmpty()) {
      return List.of();
    }
    try {
      Path path = BatchManifest.beside(Path.of(name));
      Optional<BatchManifest> there = BatchManifest.read(path);
      if (done.isEmpty()) {
        if (there.isEmpty() && Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
          throw UsageException.ofFlag(
              "-o " + name,
              "room for " + path.getFileName() + " beside it",
              "another file of that name; give -o another name");
        }
        manifest.write(path);
        return List.of();
      }
      BatchManifest then =
          there.orElseThrow(
              () ->
                  UsageException.ofFlag(
                      "--resume",
                      path + ", which says what the answers in " + name + " were made with",
                      Files.exists(path)
                          ? "something else there; give -o another name"
                          : "no such file; move it back beside them, or give -o another name"));
      List<String> differences = manifest.differences(then);
      if (!differences.isEmpty()) {
        throw UsageException.ofFlag(
            "--resume",
            "the model and the flags that " + name + " was begun with",
            String.join(", ", differences) + "; give the same, or -o another name");
      }
      return manifest.changes(then);
    } catch (IOException e) {
      throw UsageException.ofFlag("-o", "a folder that can be written to", name + ": " + e);
    }
  }

  /**
   * @param line without a newline
   */
  void append(String line) {
    if (file.isEmpty()) {
      stdout.printNow(line + "\n");
      return;
    }
    ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
    try {
      if (!begun) {
        goOn(file.get());
        begun = true;
      }
      while (bytes.hasRemaining()) {
        file.get().write(bytes);
      }
      if (System.nanoTime() - forced > FORCE_NANOS) {
        file.get().force(false);
        forced = System.nanoTime();
      }
    } catch (IOException e) {
      throw failed(e);
    }
  }

  private void goOn(FileChannel channel) throws IOException {
    if (!done.isProved()) {
      throw new IllegalStateException(name + ": it has not been compared with the input");
    }
    channel.truncate(done.length()).position(done.length());
  }

  @Override
  public void close() {
    if (file.isPresent()) {
      try (FileChannel channel = file.get()) {
        channel.force(false);
      } catch (IOException e) {
        throw failed(e);
      }
    }
  }

  private FailedException failed(IOException e) {
    return new FailedException(
        "-o " + name + " cannot be written: " + e.getMessage() + "; --resume goes on with it");
  }
}
