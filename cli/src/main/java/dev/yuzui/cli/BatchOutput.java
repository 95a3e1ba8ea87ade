package dev.yuzui.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * Where results are appended, a line in one write. A killed process leaves whole lines and perhaps
 * a part of one, which the next one cuts off; a power failure takes the last seconds at most.
 */
final class BatchOutput implements AutoCloseable {
  private static final long FORCE_NANOS = 5_000_000_000L;

  private final String name;
  private final Optional<FileChannel> file;
  private final Out stdout;
  private final BatchDone done;
  private long forced = System.nanoTime();

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
            "-o", "a new file", name + ", which exists; --resume goes on with it");
      }
      BatchDone done = BatchDone.scan(name, Channels.newInputStream(channel));
      channel.truncate(done.length()).position(done.length());
      return done;
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
   * @param line without a newline
   */
  void append(String line) {
    if (file.isEmpty()) {
      stdout.printNow(line + "\n");
      return;
    }
    ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
    try {
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
