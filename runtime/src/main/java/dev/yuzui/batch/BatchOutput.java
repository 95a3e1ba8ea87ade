package dev.yuzui.batch;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Where results are appended, a line in one write, with a {@link BatchManifest} beside it. A killed
 * process leaves whole lines and perhaps a part of one, even of the first; the next process cuts
 * the part off, once all that is there has been shown to be this batch's ({@link BatchDone}). Until
 * then nothing is changed. A power failure takes the last seconds at most.
 */
public final class BatchOutput implements AutoCloseable {
  private static final long FORCE_NANOS = 5_000_000_000L;

  private final String name;
  private final Optional<FileChannel> file;
  private final Consumer<String> stream;
  private final BatchDone done;
  private long forced = System.nanoTime();
  private boolean begun;

  private BatchOutput(
      String name, Optional<FileChannel> file, Consumer<String> stream, BatchDone done) {
    this.name = name;
    this.file = file;
    this.stream = stream;
    this.done = done;
  }

  /** A stream, which nothing goes on with. */
  public static BatchOutput to(Consumer<String> lines) {
    return new BatchOutput("a stream", Optional.empty(), lines, new BatchDone("a stream"));
  }

  /**
   * @param resume go on with a file that has results, instead of refusing it
   * @throws BatchException if it cannot be written, or is not this batch's
   */
  public static BatchOutput open(Path path, boolean resume) {
    String name = path.toString();
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw BatchException.expected("Batch.output", "a file", name + ", which is none");
    }
    Unopened unopened = new Unopened(name, resume);
    try {
      FileChannel channel =
          FileChannel.open(
              path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      try {
        return new BatchOutput(name, Optional.of(channel), _ -> {}, unopened.prepare(channel));
      } catch (Throwable e) {
        channel.close();
        throw e;
      }
    } catch (IOException e) {
      throw BatchException.expected("Batch.output", "a file that can be written", name + ": " + e);
    }
  }

  private record Unopened(String name, boolean resume) {
    BatchDone prepare(FileChannel channel) throws IOException {
      lock(channel);
      if (channel.size() > 0 && !resume) {
        throw BatchException.expected(
            "Batch.output",
            "a new file",
            name + ", which exists; give another name, or Batch.resume to go on with it");
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
        throw BatchException.expected(
            "Batch.output", "a file of one process", name + ", which another one is writing");
      }
    }
  }

  /** What is there from before. */
  public BatchDone done() {
    return done;
  }

  /**
   * Says what the answers are made with, before the first one; or compares it with what those that
   * are there were made with.
   *
   * @return what is not as it was, and may be
   * @throws BatchException if other answers would be mixed into those that are there
   */
  public List<String> begin(BatchManifest manifest) {
    if (file.isEmpty()) {
      return List.of();
    }
    try {
      if (done.isEmpty()) {
        manifest.write(BatchManifest.besideNew(Path.of(name)));
        return List.of();
      }
      Path path = BatchManifest.beside(Path.of(name));
      Optional<BatchManifest> there = BatchManifest.read(path);
      BatchManifest then =
          there.orElseThrow(
              () ->
                  BatchException.expected(
                      "Batch.resume",
                      path + ", which says what the answers in " + name + " were made with",
                      Files.exists(path)
                          ? "something else there; give Batch.output another name"
                          : "no such file; move it back beside them, or give Batch.output another"
                              + " name"));
      List<String> differences = manifest.differences(then);
      if (!differences.isEmpty()) {
        throw BatchException.expected(
            "Batch.resume",
            "the model and the flags that " + name + " was begun with",
            String.join(", ", differences) + "; give the same, or Batch.output another name");
      }
      return manifest.changes(then);
    } catch (IOException e) {
      throw BatchException.expected(
          "Batch.output", "a folder that can be written to", name + ": " + e);
    }
  }

  /**
   * @param line without a newline
   */
  void append(String line) {
    if (file.isEmpty()) {
      stream.accept(line);
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

  private BatchException failed(IOException e) {
    return BatchException.system(
        "Batch.output "
            + name
            + " cannot be written: "
            + e.getMessage()
            + "; Batch.resume goes on with it");
  }
}
