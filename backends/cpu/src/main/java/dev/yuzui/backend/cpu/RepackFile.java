package dev.yuzui.backend.cpu;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.zip.CRC32C;

/**
 * Repacked weights in a file that later starts map. Little endian; a text is its length, I32, and
 * UTF-8:
 *
 * <pre>
 * "YUZUI RP" | version, header bytes: I32 | file bytes: I64 | CRC32C of all before and the header: I32
 * header: layout, model, fingerprint: texts | weights: I32 | of each: name, type: texts;
 *         rows, columns, source, CRC32C of its strips: I32; offset, bytes: I64
 * strips of each weight, at multiples of 64 bytes, the first at one of 4096
 * </pre>
 *
 * The layout is what the kernels at hand make of known weights ({@link RepackStore#layout}), so
 * that a change of the repacking makes other files and nobody has to remember a number. Source is a
 * checksum of a few bytes of the weight in the checkpoint.
 *
 * <p>Whoever maps the file checks the header first and then, in every process, the checksum of each
 * weight before its strips are used: a damaged one would be wrong text that nobody notices.
 *
 * <p>Written in blocks of 8 MiB, it was kept in huge pages, and mapped as such, by Linux 6.18 on
 * ext4: strips are then read as fast as from memory of our own; from pages of 4 KiB by a core a
 * quarter slower.
 *
 * <p>It is written under another name and gets its own when it is whole and on the disk. A lock on
 * the unfinished file tells one that is being written from one that a process left behind, which is
 * deleted.
 */
final class RepackFile {
  static final int VERSION = 1;
  private static final long MAGIC =
      ByteBuffer.wrap("YUZUI RP".getBytes(UTF_8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
  private static final int PREAMBLE = 28;
  private static final int CHECKED = 24;
  private static final int ALIGN = 64;
  private static final int PAGE = 4096;
  private static final int MOST_HEADER = 1 << 28;
  private static final int CHUNK = 16 << 20;

  private static final String PART = ".part";

  /** What a file is of. */
  record Identity(String layout, String model, String fingerprint) {}

  /**
   * @param source checksum of a few bytes in the checkpoint
   */
  record Key(String name, StripType type, int rows, int cols, int source) {
    @Override
    public String toString() {
      return name + " " + type + " [" + rows + ", " + cols + "]";
    }
  }

  /** Where strips lie in a file. */
  record Entry(long offset, long bytes, int checksum) {}

  /** What there is of a file. */
  sealed interface Found {
    record Nothing() implements Found {}

    /** A file that cannot be used. */
    record Unfit(String because, long bytes) implements Found {}

    record Fit(Map<Key, Entry> weights, long bytes) implements Found {}
  }

  private RepackFile() {}

  /** What the header says; the strips are not read. */
  static Found find(Path file, Identity wanted) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      try {
        return new Found.Fit(weights(channel, size, wanted), size);
      } catch (UnfitException e) {
        return new Found.Unfit(e.getMessage(), size);
      }
    } catch (NoSuchFileException _) {
      return new Found.Nothing();
    } catch (IOException e) {
      return new Found.Unfit("cannot be read: " + e, 0);
    }
  }

  private static final class UnfitException extends Exception {
    private static final long serialVersionUID = 1L;

    UnfitException(String what, Object expected, Object found) {
      super("%s: expected %s, found %s".formatted(what, expected, found));
    }
  }

  private static Map<Key, Entry> weights(FileChannel channel, long size, Identity wanted)
      throws IOException, UnfitException {
    ByteBuffer preamble = littleEndian(PREAMBLE);
    fill(channel, preamble, 0);
    if (preamble.remaining() < PREAMBLE || preamble.getLong() != MAGIC) {
      throw new UnfitException("start", "\"YUZUI RP\"", "something else");
    }
    int version = preamble.getInt();
    if (version != VERSION) {
      throw new UnfitException("version", VERSION, version);
    }
    int headerBytes = preamble.getInt();
    long bytes = preamble.getLong();
    if (bytes != size || headerBytes < 0 || headerBytes > Math.min(size, MOST_HEADER)) {
      throw new UnfitException("size", bytes + " bytes", size + ": it is truncated or damaged");
    }
    int checksum = preamble.getInt();
    ByteBuffer header = littleEndian(headerBytes);
    fill(channel, header, PREAMBLE);
    int found = checksum(preamble.rewind().limit(CHECKED), header.duplicate());
    if (found != checksum) {
      throw new UnfitException(
          "checksum of the header",
          Integer.toHexString(checksum),
          Integer.toHexString(found) + ": it is damaged");
    }
    try {
      return weights(header, size, wanted);
    } catch (BufferUnderflowException | IllegalArgumentException e) {
      throw new UnfitException("header", "a list of weights", "something else");
    }
  }

  private static Map<Key, Entry> weights(ByteBuffer header, long size, Identity wanted)
      throws UnfitException {
    Identity identity = new Identity(text(header), text(header), text(header));
    require("layout", wanted.layout(), identity.layout());
    require(
        "model",
        wanted.model() + " (" + wanted.fingerprint() + ")",
        identity.model() + " (" + identity.fingerprint() + ")");
    Map<Key, Entry> weights = new LinkedHashMap<>();
    for (int left = header.getInt(); left > 0; left--) {
      String name = text(header);
      StripType type = StripType.valueOf(text(header));
      Key key = new Key(name, type, header.getInt(), header.getInt(), header.getInt());
      int checksum = header.getInt();
      Entry entry = new Entry(header.getLong(), header.getLong(), checksum);
      if (entry.offset() < 0 || entry.bytes() < 0 || entry.offset() > size - entry.bytes()) {
        throw new UnfitException("place of " + key, "within the file", entry);
      }
      weights.put(key, entry);
    }
    return weights;
  }

  private static void require(String what, String wanted, String found) throws UnfitException {
    if (!wanted.equals(found)) {
      throw new UnfitException(what, wanted, found);
    }
  }

  /**
   * Reads the strips of a weight.
   *
   * @return what is wrong with them, if anything is
   */
  static Optional<String> damage(Key key, Entry entry, MemorySegment strips) {
    int found = checksum(strips);
    return found == entry.checksum()
        ? Optional.empty()
        : Optional.of(
            "checksum of %s: expected %08x, found %08x: it is damaged"
                .formatted(key, entry.checksum(), found));
  }

  /** Bytes of a file of these weights. */
  static long size(Identity identity, Map<Key, MemorySegment> weights) {
    long at = dataStart(header(identity, places(0, weights)).remaining());
    for (MemorySegment strips : weights.values()) {
      at = aligned(at) + strips.byteSize();
    }
    return at;
  }

  /**
   * Writes a file in place of what may be there.
   *
   * @return false, and nothing written, while another process writes it
   */
  static boolean write(Path file, Identity identity, Map<Key, MemorySegment> weights)
      throws IOException {
    if (beingWritten(file)) {
      return false;
    }
    Path part = file.resolveSibling(file.getFileName() + "." + UUID.randomUUID() + PART);
    try {
      try (FileChannel channel =
          FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        channel.lock();
        write(channel, identity, weights);
        channel.force(true);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
      }
    } finally {
      Files.deleteIfExists(part);
    }
    return true;
  }

  /** Whether another does it at this moment; what one left that did not end is deleted. */
  private static boolean beingWritten(Path file) throws IOException {
    String parts = globbed(file.getFileName().toString()) + ".*" + PART;
    try (DirectoryStream<Path> found = Files.newDirectoryStream(file.getParent(), parts)) {
      for (Path part : found) {
        try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
          if (channel.tryLock() == null) {
            return true;
          }
          Files.deleteIfExists(part);
        } catch (OverlappingFileLockException _) {
          return true; // by a thread of this process
        } catch (NoSuchFileException _) {
          // it has just been finished
        }
      }
    }
    return false;
  }

  private static String globbed(String name) {
    return name.replaceAll("[\\\\*?\\[\\]{}]", "\\\\$0");
  }

  private static void write(FileChannel channel, Identity identity, Map<Key, MemorySegment> weights)
      throws IOException {
    int headerBytes = header(identity, places(0, weights)).remaining();
    Map<Key, Entry> places = places(dataStart(headerBytes), weights);
    Map<Key, Integer> checksums =
        weights.entrySet().parallelStream()
            .collect(Collectors.toConcurrentMap(Map.Entry::getKey, e -> checksum(e.getValue())));
    places.replaceAll((key, e) -> new Entry(e.offset(), e.bytes(), checksums.get(key)));
    long size =
        places.values().stream()
            .mapToLong(e -> e.offset() + e.bytes())
            .max()
            .orElse(dataStart(headerBytes));
    ByteBuffer header = header(identity, places);
    ByteBuffer preamble =
        littleEndian(PREAMBLE).putLong(MAGIC).putInt(VERSION).putInt(headerBytes).putLong(size);
    preamble.putInt(checksum(preamble.duplicate().flip(), header.duplicate()));
    try (Arena arena = Arena.ofConfined()) {
      FileBlocks blocks = new FileBlocks(channel, arena);
      blocks.put(MemorySegment.ofBuffer(preamble.flip()));
      blocks.put(MemorySegment.ofBuffer(header));
      for (Map.Entry<Key, MemorySegment> weight : weights.entrySet()) {
        blocks.padTo(places.get(weight.getKey()).offset());
        blocks.put(weight.getValue());
      }
      blocks.padTo(size);
      blocks.flush();
    }
  }

  /** Where each lies, from {@code start} on; without checksums. */
  private static Map<Key, Entry> places(long start, Map<Key, MemorySegment> weights) {
    Map<Key, Entry> places = new LinkedHashMap<>();
    long at = start;
    for (Map.Entry<Key, MemorySegment> weight : weights.entrySet()) {
      long bytes = weight.getValue().byteSize();
      at = aligned(at);
      places.put(weight.getKey(), new Entry(at, bytes, 0));
      at += bytes;
    }
    return places;
  }

  private static long aligned(long at) {
    return Math.ceilDiv(at, ALIGN) * ALIGN;
  }

  private static long dataStart(int headerBytes) {
    return Math.ceilDiv(PREAMBLE + (long) headerBytes, PAGE) * PAGE;
  }

  private static ByteBuffer header(Identity identity, Map<Key, Entry> weights) {
    List<byte[]> texts = new ArrayList<>();
    texts.add(identity.layout().getBytes(UTF_8));
    texts.add(identity.model().getBytes(UTF_8));
    texts.add(identity.fingerprint().getBytes(UTF_8));
    weights
        .keySet()
        .forEach(
            key -> {
              texts.add(key.name().getBytes(UTF_8));
              texts.add(key.type().name().getBytes(UTF_8));
            });
    int size = 4 + 32 * weights.size();
    for (byte[] text : texts) {
      size += 4 + text.length;
    }
    ByteBuffer out = littleEndian(size);
    for (int i = 0; i < 3; i++) {
      put(out, texts.get(i));
    }
    out.putInt(weights.size());
    int text = 3;
    for (Map.Entry<Key, Entry> weight : weights.entrySet()) {
      put(out, texts.get(text));
      put(out, texts.get(text + 1));
      text += 2;
      Key key = weight.getKey();
      Entry entry = weight.getValue();
      out.putInt(key.rows()).putInt(key.cols()).putInt(key.source()).putInt(entry.checksum());
      out.putLong(entry.offset()).putLong(entry.bytes());
    }
    return out.flip();
  }

  private static void put(ByteBuffer out, byte[] text) {
    out.putInt(text.length).put(text);
  }

  private static String text(ByteBuffer in) {
    int length = in.getInt();
    if (length < 0 || length > in.remaining()) {
      throw new BufferUnderflowException();
    }
    byte[] text = new byte[length];
    in.get(text);
    return new String(text, UTF_8);
  }

  /** As much as there is, ready to be read. */
  private static void fill(FileChannel channel, ByteBuffer to, long at) throws IOException {
    while (to.hasRemaining()) {
      int count = channel.read(to, at + to.position());
      if (count < 0) {
        break;
      }
    }
    to.flip();
  }

  static int checksum(MemorySegment bytes) {
    CRC32C crc = new CRC32C();
    for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
      crc.update(bytes.asSlice(at, Math.min(CHUNK, bytes.byteSize() - at)).asByteBuffer());
    }
    return (int) crc.getValue();
  }

  private static int checksum(ByteBuffer first, ByteBuffer second) {
    CRC32C crc = new CRC32C();
    crc.update(first);
    crc.update(second);
    return (int) crc.getValue();
  }

  private static ByteBuffer littleEndian(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }
}
