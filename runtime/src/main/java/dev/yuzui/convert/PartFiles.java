package dev.yuzui.convert;

import dev.yuzui.io.Texts;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * The files of a conversion while they are written: each under its name with {@code .part} behind
 * it, and beside the first a record of what is whole, which a cut run is gone on with. Its first
 * line is of what is being made; each other one is the number of a tensor that is on the disk.
 *
 * <p>A tensor is noted after its bytes have been forced out, so that a record is never ahead of the
 * data, whatever stops the machine.
 */
final class PartFiles implements AutoCloseable {
  /** Data that a lost machine may cost, and how long it is at most till it is forced out. */
  private static final long FORCE_BYTES = 1L << 28;

  private static final long FORCE_NANOS = 3_000_000_000L;

  /**
   * @param size of the whole file
   */
  record Target(Path file, long size) {
    Path part() {
      return file.resolveSibling(file.getFileName() + ".part");
    }
  }

  private final List<Target> targets;
  private final List<Long> tensorBytes;
  private final Path record;
  private final List<FileChannel> channels = new ArrayList<>();
  private final BitSet done = new BitSet();
  private final List<Integer> unnoted = new ArrayList<>();
  private FileChannel notes;
  private long unforced;
  private long forcedAt = System.nanoTime();

  private PartFiles(Path output, List<Target> targets, List<Long> tensorBytes) {
    this.targets = targets;
    this.tensorBytes = tensorBytes;
    this.record = output.resolveSibling(output.getFileName() + ".part.done");
  }

  /**
   * Opens what a cut run left, or begins.
   *
   * @param output the file that was asked for, which several targets are named after
   * @param tensorBytes of each tensor, over all targets
   * @param made what is being made, a line
   * @param anew whether what a run left is thrown away
   */
  static PartFiles open(
      Path output, List<Target> targets, List<Long> tensorBytes, String made, boolean anew) {
    PartFiles files = new PartFiles(output, targets, tensorBytes);
    try {
      boolean goesOn = !anew && files.left(made);
      files.requireRoom();
      files.begin(made, goesOn);
      return files;
    } catch (IOException e) {
      files.closeAll();
      throw unwritable(output, e);
    } catch (RuntimeException | Error e) {
      files.closeAll();
      throw e;
    }
  }

  /** Reads the record of a cut run, if there is one. */
  private boolean left(String made) throws IOException {
    if (!Files.exists(record)) {
      return false;
    }
    String text = Files.readString(record);
    List<String> lines = text.lines().toList();
    if (lines.isEmpty() || !text.contains("\n")) {
      return false; // cut before anything was noted
    }
    if (!lines.getFirst().equals(made)) {
      throw ConvertException.expected(
          record.toString(),
          "the record of a cut run with this model and these flags",
          "another's; repeat that run, or begin anew with ConvertOptions.force");
    }
    if (!targets.stream().allMatch(t -> Files.exists(t.part()))) {
      return false;
    }
    // a last line without its end may be half a number
    int whole = text.endsWith("\n") ? lines.size() : lines.size() - 1;
    for (String line : lines.subList(1, whole)) {
      int number = line.matches("\\d{1,9}") ? Integer.parseInt(line) : tensorBytes.size();
      if (number >= tensorBytes.size()) {
        throw ConvertException.expected(
            record.toString(),
            "numbers of tensors below " + tensorBytes.size(),
            line + "; begin anew with ConvertOptions.force");
      }
      done.set(number);
    }
    return true;
  }

  private void requireRoom() throws IOException {
    Path folder = record.toAbsolutePath().getParent();
    if (!Files.isDirectory(folder)) {
      throw ConvertException.expected(
          "ConvertOptions.output " + folder, "a folder that is there", "none");
    }
    long wanted = targets.stream().mapToLong(Target::size).sum();
    for (int i = done.nextSetBit(0); i >= 0; i = done.nextSetBit(i + 1)) {
      wanted -= tensorBytes.get(i);
    }
    FileStore store = Files.getFileStore(folder);
    if (wanted > store.getUsableSpace()) {
      throw ConvertException.expected(
          "ConvertOptions.output " + folder,
          wanted + " bytes free for what is to be written",
          store.getUsableSpace() + "; name another disk, or a smaller ConvertOptions.type");
    }
  }

  private void begin(String made, boolean goesOn) throws IOException {
    if (!goesOn) {
      Files.deleteIfExists(record);
      for (Target t : targets) {
        Files.deleteIfExists(t.part());
      }
    }
    for (Target t : targets) {
      channels.add(
          FileChannel.open(
              t.part(),
              StandardOpenOption.CREATE,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE));
    }
    notes =
        FileChannel.open(
            record,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING);
    note(made);
    for (int i = done.nextSetBit(0); i >= 0; i = done.nextSetBit(i + 1)) {
      note(String.valueOf(i));
    }
  }

  private void note(String line) throws IOException {
    notes.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8)));
  }

  boolean isDone(int tensor) {
    return done.get(tensor);
  }

  /** Any thread may write. */
  void write(int target, byte[] bytes, int count, long at) {
    try {
      ByteBuffer buffer = ByteBuffer.wrap(bytes, 0, count);
      long to = at;
      while (buffer.hasRemaining()) {
        to += channels.get(target).write(buffer, to);
      }
    } catch (IOException e) {
      throw unwritable(targets.get(target).part(), e);
    }
  }

  /** All of tensor {@code number} has been written. */
  void finished(int number, long bytes) {
    unnoted.add(number);
    unforced += bytes;
    if (unforced >= FORCE_BYTES || System.nanoTime() - forcedAt > FORCE_NANOS) {
      force();
    }
  }

  private void force() {
    try {
      for (FileChannel channel : channels) {
        channel.force(false);
      }
      for (int number : unnoted) {
        note(String.valueOf(number));
        done.set(number);
      }
      unnoted.clear();
      unforced = 0;
      forcedAt = System.nanoTime();
    } catch (IOException e) {
      throw unwritable(record, e);
    }
  }

  /** Gives the files their names, the first last: it names the others. */
  List<Path> publish() {
    force();
    closeAll();
    try {
      for (Target t : targets.reversed()) {
        Files.move(t.part(), t.file, StandardCopyOption.ATOMIC_MOVE);
      }
      Files.deleteIfExists(record);
    } catch (IOException e) {
      throw unwritable(record, e);
    }
    return targets.stream().map(Target::file).toList();
  }

  private static ConvertException unwritable(Path file, IOException e) {
    return ConvertException.system(
        file
            + ": cannot be written: "
            + Texts.reason(e)
            + "; what is whole is kept for a next run");
  }

  private void closeAll() {
    List<FileChannel> open = new ArrayList<>(channels);
    channels.clear();
    if (notes != null) {
      open.add(notes);
    }
    for (FileChannel channel : open) {
      try {
        channel.close();
      } catch (IOException e) {
        throw unwritable(record, e);
      }
    }
  }

  /** Leaves what is there for another run, unless it has been published. */
  @Override
  public void close() {
    try {
      if (!channels.isEmpty()) {
        force();
      }
    } finally {
      closeAll();
    }
  }
}
