package dev.yuzui.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.hub.HubHttp.Range;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A file that comes in pieces, in any order, and a record of those that are there. The record is
 * written now and then, behind what it is about: what it says is there, is.
 */
final class PartialFile implements AutoCloseable {
  private static final long KEEP_NANOS = 1_000_000_000L;
  private static final int CHUNK = 1 << 20;

  private final Path data;
  private final Path record;
  private final long size;
  private final long mostPart;
  private final FileChannel channel;

  /** From a first byte to the one behind the last; no two touch. */
  private final TreeMap<Long, Long> there = new TreeMap<>();

  private final Object keeping = new Object();
  private long kept = System.nanoTime();

  /**
   * @param mostPart bytes of one of {@link #missing}, at most
   */
  PartialFile(Path data, Path record, long size, long mostPart) {
    this.data = data;
    this.record = record;
    this.size = size;
    this.mostPart = mostPart;
    try {
      boolean goesOn = readRecord();
      channel =
          goesOn
              ? FileChannel.open(data, StandardOpenOption.READ, StandardOpenOption.WRITE)
              : FileChannel.open(
                  data,
                  StandardOpenOption.CREATE,
                  StandardOpenOption.TRUNCATE_EXISTING,
                  StandardOpenOption.READ,
                  StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  private HubException unwritable(IOException e) {
    return HubException.system(
        data
            + ": cannot be written: "
            + Texts.reason(e)
            + "; the same again goes on where it ended");
  }

  /** What an earlier pull left, if record and file belong together. */
  private boolean readRecord() throws IOException {
    if (!Files.isRegularFile(record) || !Files.isRegularFile(data)) {
      return false;
    }
    long length = Files.size(data);
    try {
      JsonNode json = Json.mapper().readTree(Files.readAllBytes(record));
      if (json == null || json.path("size").asLong(-1) != size) {
        return false;
      }
      for (JsonNode range : json.path("ranges")) {
        long from = range.path(0).asLong(-1);
        long to = range.path(1).asLong(-1);
        if (from < 0 || to <= from || to > size || to > length) {
          there.clear();
          return false;
        }
        add(from, to);
      }
      return true;
    } catch (com.fasterxml.jackson.core.JacksonException _) {
      return false;
    }
  }

  private void add(long from, long to) {
    long start = from;
    long end = to;
    Map.Entry<Long, Long> before = there.floorEntry(from);
    if (before != null && before.getValue() >= from) {
      start = before.getKey();
      end = Math.max(end, before.getValue());
    }
    for (Map.Entry<Long, Long> next = there.ceilingEntry(start);
        next != null && next.getKey() <= end;
        next = there.ceilingEntry(start)) {
      end = Math.max(end, next.getValue());
      there.remove(next.getKey());
    }
    there.put(start, end);
  }

  synchronized long bytesThere() {
    return there.entrySet().stream().mapToLong(e -> e.getValue() - e.getKey()).sum();
  }

  /** What is not there, in pieces for one request each. */
  synchronized List<Range> missing() {
    List<Range> gaps = new ArrayList<>();
    long at = 0;
    for (Map.Entry<Long, Long> have : there.entrySet()) {
      cut(at, have.getKey(), gaps);
      at = have.getValue();
    }
    cut(at, size, gaps);
    return gaps;
  }

  private void cut(long from, long to, List<Range> gaps) {
    for (long at = from; at < to; at += mostPart) {
      gaps.add(new Range(at, Math.min(to, at + mostPart)));
    }
  }

  /**
   * Writes at a place, any thread; the record follows.
   *
   * @throws HubException if the disk does not take it
   */
  void write(ByteBuffer bytes, long at) {
    long to = at;
    try {
      while (bytes.hasRemaining()) {
        to += channel.write(bytes, to);
      }
      boolean late;
      synchronized (this) {
        add(at, to);
        long now = System.nanoTime();
        late = now - kept > KEEP_NANOS;
        kept = late ? now : kept;
      }
      if (late) {
        keep();
      }
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  /**
   * By renaming, and without waiting for the disk, which would have to write the file itself first:
   * should the machine fail, the checksum tells what the record does not.
   */
  private void keep() throws IOException {
    synchronized (keeping) {
      List<long[]> ranges = new ArrayList<>();
      synchronized (this) {
        there.forEach((from, to) -> ranges.add(new long[] {from, to}));
      }
      Path next = record.resolveSibling(record.getFileName() + ".next");
      Files.writeString(next, Json.compact(Map.of("size", size, "ranges", ranges)));
      Files.move(next, record, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  /**
   * Makes the whole file what it is to be, or drops it.
   *
   * @param shown its name, for the message
   * @throws HubException if its checksum is another
   */
  void finish(HubFile.Checksum expected, Path blob, String shown, Patience.Stop stop) {
    try {
      String found = checksum(expected, stop);
      if (!found.equals(expected.hex())) {
        Files.deleteIfExists(record);
        Files.deleteIfExists(data);
        throw HubException.system(
            shown
                + ": expected "
                + expected.kind().algorithm()
                + " "
                + expected.hex()
                + ", found "
                + found
                + "; what came was damaged or another file, and is dropped: pull it again");
      }
      channel.truncate(size);
      channel.force(true);
      channel.close();
      move(blob);
      Files.deleteIfExists(record);
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  private void move(Path blob) throws IOException {
    try {
      Files.move(data, blob, StandardCopyOption.ATOMIC_MOVE);
    } catch (NoSuchFileException e) {
      // where locks hold nobody off, as on some network disks, another may have been first
      if (!Files.isRegularFile(blob)) {
        throw e;
      }
    }
  }

  private String checksum(HubFile.Checksum expected, Patience.Stop stop) throws IOException {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance(expected.kind().algorithm());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
    if (expected.kind() == HubFile.Checksum.Kind.GIT) {
      digest.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
    }
    ByteBuffer buffer = ByteBuffer.allocate(CHUNK);
    for (long at = 0; at < size; ) {
      stop.check();
      int n = channel.read(buffer.clear().limit((int) Math.min(CHUNK, size - at)), at);
      if (n < 0) {
        break; // shorter than it was: the checksum will tell
      }
      digest.update(buffer.flip());
      at += n;
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Keeps the record, if the file is not finished. */
  @Override
  public void close() {
    try {
      if (channel.isOpen()) {
        if (bytesThere() == 0) {
          Files.deleteIfExists(data);
        } else if (Files.exists(data)) {
          keep();
        }
        channel.close();
      }
    } catch (IOException _) {
      // then less of it is known to be there
    }
  }
}
