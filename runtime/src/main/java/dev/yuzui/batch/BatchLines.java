package dev.yuzui.batch;

import dev.yuzui.io.Utf8;
import dev.yuzui.io.Utf8.NotUtf8Exception;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.zip.CRC32;

/** Lines of bytes, one at a time; blank ones and other shards' are counted but not given. */
public final class BatchLines implements AutoCloseable {
  /** Bytes of a line at most; longer ones are passed over without being kept. */
  static final int LIMIT = 16 << 20;

  private final String name;
  private final InputStream in;
  private final BatchShard shard;
  private final byte[] block = new byte[1 << 16];
  private int at;
  private int end;
  private long number;

  /**
   * @throws BatchException if it cannot be read
   */
  public static BatchLines open(Path file) {
    return open(file, BatchShard.ALL);
  }

  /** As {@link #open(Path)}, of a shard's lines alone. */
  public static BatchLines open(Path file, BatchShard shard) {
    String name = "Batch.input " + file;
    try {
      if (Files.isDirectory(file)) {
        throw BatchException.expected("Batch.input", "a file", file + ", which is a folder");
      }
      return new BatchLines(name, Files.newInputStream(file), shard);
    } catch (NoSuchFileException _) {
      throw BatchException.expected("Batch.input", "a file", file + ", which does not exist");
    } catch (IOException e) {
      throw BatchException.expected("Batch.input", "a readable file", file + ": " + e.getMessage());
    }
  }

  /**
   * @param name for messages
   */
  public BatchLines(String name, InputStream in) {
    this(name, in, BatchShard.ALL);
  }

  /**
   * @param name for messages
   * @param shard whose lines are given
   */
  public BatchLines(String name, InputStream in, BatchShard shard) {
    this.name = name;
    this.in = in;
    this.shard = shard;
  }

  /**
   * @param number of the line in the file, from 1
   * @param crc of the bytes, to recognise the line by
   * @param bytes without the newline; empty if there are more than {@link #LIMIT}
   */
  record Line(long number, int crc, Optional<byte[]> bytes) {}

  BatchShard shard() {
    return shard;
  }

  /** The next line of the shard that is not blank. */
  Optional<Line> next() {
    return next(_ -> {});
  }

  /**
   * @param others told of the lines of other shards before it
   */
  Optional<Line> next(Consumer<Line> others) {
    Optional<Line> line = nextOfAll();
    while (line.isPresent() && !shard.has(line.get().number())) {
      others.accept(line.get());
      line = nextOfAll();
    }
    return line;
  }

  private Optional<Line> nextOfAll() {
    while (true) {
      ByteArrayOutputStream text = new ByteArrayOutputStream(256);
      CRC32 crc = new CRC32();
      boolean blank = true;
      boolean tooLong = false;
      boolean any = false;
      while (at < end || fill()) {
        any = true;
        int from = at;
        while (at < end && block[at] != '\n') {
          blank &= block[at] == ' ' || block[at] == '\t' || block[at] == '\r';
          at++;
        }
        crc.update(block, from, at - from);
        tooLong |= text.size() + at - from > LIMIT;
        if (tooLong) {
          text.reset();
        } else {
          text.write(block, from, at - from);
        }
        if (at < end) {
          at++;
          break;
        }
      }
      if (!any) {
        return Optional.empty();
      }
      number++;
      if (!blank) {
        return Optional.of(
            new Line(
                number,
                (int) crc.getValue(),
                tooLong ? Optional.empty() : Optional.of(text.toByteArray())));
      }
    }
  }

  private boolean fill() {
    try {
      boolean first = end == 0;
      at = 0;
      end = first ? in.readNBytes(block, 0, 3) : in.read(block);
      if (first) {
        Utf8.requireNoUtf16(block, end);
        if (Utf8.markLength(block, end) > 0) {
          end = in.read(block);
        }
      }
      return end > 0;
    } catch (NotUtf8Exception e) {
      throw BatchException.asked(name + ": " + e.getMessage());
    } catch (IOException e) {
      throw BatchException.system(name + " cannot be read: " + e.getMessage());
    }
  }

  @Override
  public void close() {
    try {
      in.close();
    } catch (IOException e) {
      throw BatchException.system(name + " cannot be closed: " + e.getMessage());
    }
  }
}
