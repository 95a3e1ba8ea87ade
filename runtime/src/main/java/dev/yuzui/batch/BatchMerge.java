package dev.yuzui.batch;

import dev.yuzui.batch.BatchResults.Result;
import dev.yuzui.io.WholeFile;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Puts the outputs of shards together in the input's order, as one process would have written them.
 * Nothing is written unless every line of the input has its result once, and every result its line:
 * by number and checksum, which its id has. Some 30 bytes are held for each line.
 *
 * @param input of all shards
 * @param outputs of the shards, in any order, each with its {@link BatchManifest} beside it
 * @param output a new file
 */
public record BatchMerge(Path input, List<Path> outputs, Path output) {
  private static final int BUFFER = 1 << 18;

  /**
   * @param errors of the lines, those with an error in place of an answer
   * @param notes what was not alike in how shards were run, and can show in the answers
   */
  public record Summary(long lines, long errors, List<String> notes) {}

  /**
   * @throws BatchException if there are no outputs
   */
  public BatchMerge {
    outputs = List.copyOf(outputs);
    if (outputs.isEmpty()) {
      throw BatchException.expected("batch-merge", "the outputs of the shards", "none");
    }
  }

  /**
   * @throws BatchException if files are not what is expected, or results are missing, there twice
   *     or of no line; {@link #output} is not there then
   */
  public Summary run() {
    if (Files.exists(output, LinkOption.NOFOLLOW_LINKS)) {
      throw BatchException.expected(
          "Batch.output", "a new file", output + ", which exists; give another name");
    }
    Path manifest = newManifest();
    requireDifferent();
    List<BatchManifest> manifests = outputs.stream().map(BatchMerge::manifest).toList();
    BatchManifest all = manifests.getFirst().ofAll();
    List<String> notes = new ArrayList<>();
    for (int i = 1; i < manifests.size(); i++) {
      Path other = outputs.get(i);
      List<String> differences = manifests.get(i).ofAll().differences(all);
      if (!differences.isEmpty()) {
        throw BatchException.expected(
            "batch-merge",
            "outputs of one model and the same flags as " + outputs.getFirst(),
            other + ": " + String.join(", ", differences).replace(" then)", " there)"));
      }
      manifests.get(i).ofAll().changes(all).stream()
          .map(change -> other + ": " + change.replace(" then)", " there)"))
          .forEach(notes::add);
    }
    BatchResults results = BatchResults.of(input);
    for (Path part : outputs) {
      results.add(part);
    }
    results.requireWhole(manifests.stream().map(BatchManifest::shard).toList());
    write(results, all, manifest);
    return new Summary(results.lines(), results.errors(), List.copyOf(notes));
  }

  private Path newManifest() {
    try {
      return BatchManifest.besideNew(output);
    } catch (IOException e) {
      throw BatchException.expected(
          "Batch.output", "a folder that can be written to", output + ": " + e);
    }
  }

  private void requireDifferent() {
    for (int i = 0; i < outputs.size(); i++) {
      for (int j = 0; j < i; j++) {
        if (same(outputs.get(i), outputs.get(j))) {
          throw BatchException.expected(
              "batch-merge", "each output once", outputs.get(i) + " twice");
        }
      }
    }
  }

  private static boolean same(Path a, Path b) {
    try {
      return Files.isSameFile(a, b);
    } catch (IOException _) {
      return false; // said when it is read
    }
  }

  private static BatchManifest manifest(Path part) {
    try {
      Path file = BatchManifest.beside(part);
      Optional<BatchManifest> there = BatchManifest.read(file);
      return there.orElseThrow(
          () ->
              BatchException.expected(
                  "batch-merge",
                  file + ", which says what the answers in " + part + " were made with",
                  Files.exists(file)
                      ? "something else there"
                      : "no such file; move it back beside them"));
    } catch (NoSuchFileException _) {
      throw BatchException.expected(
          "batch-merge", "an output of 'yuzui batch'", part + ", which does not exist");
    } catch (IOException e) {
      throw BatchException.expected("batch-merge", "a file that can be read", part + ": " + e);
    }
  }

  /** The manifest first: no output is ever there without it. */
  private void write(BatchResults results, BatchManifest all, Path manifest) {
    List<FileChannel> from = new ArrayList<>();
    try {
      for (Path part : outputs) {
        from.add(open(part));
      }
      all.write(manifest);
      try {
        WholeFile.write(output, channel -> copy(results, from, channel));
      } catch (IOException | RuntimeException e) {
        Files.deleteIfExists(manifest);
        throw e;
      }
    } catch (IOException e) {
      throw BatchException.system("Batch.output " + output + " cannot be written: " + e);
    } finally {
      from.forEach(BatchMerge::close);
    }
  }

  private static FileChannel open(Path part) {
    try {
      return FileChannel.open(part, StandardOpenOption.READ);
    } catch (IOException e) {
      throw unreadable(part, e);
    }
  }

  private static BatchException unreadable(Path part, IOException e) {
    return BatchException.system("batch-merge: " + part + " cannot be read: " + e);
  }

  private static void close(FileChannel channel) {
    try {
      channel.close();
    } catch (IOException _) {
      // it was only read, and that went well
    }
  }

  private void copy(BatchResults results, List<FileChannel> from, FileChannel to)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
    for (long line = 1; line <= results.lastLine(); line++) {
      Optional<Result> result = results.of(line);
      if (result.isEmpty()) {
        continue; // blank
      }
      int file = result.get().file();
      long at = result.get().at();
      long end = at + result.get().length();
      while (at < end) {
        if (!buffer.hasRemaining()) {
          drain(buffer, to);
        }
        int before = buffer.position();
        buffer.limit((int) Math.min(buffer.capacity(), before + end - at));
        at += read(from.get(file), outputs.get(file), buffer, at);
        buffer.limit(buffer.capacity());
      }
    }
    drain(buffer, to);
  }

  private static int read(FileChannel from, Path part, ByteBuffer buffer, long at) {
    try {
      int read = from.read(buffer, at);
      if (read < 0) {
        throw new EOFException("it became shorter while it was read");
      }
      return read;
    } catch (IOException e) {
      throw unreadable(part, e);
    }
  }

  private static void drain(ByteBuffer buffer, FileChannel to) throws IOException {
    buffer.flip();
    while (buffer.hasRemaining()) {
      to.write(buffer);
    }
    buffer.clear();
  }
}
