package dev.yuzui.cache;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.yuzui.io.WholeFile;
import dev.yuzui.spi.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32C;

/**
 * A sequence's entries in a file, so that a prompt need not be read again after a restart. Little
 * endian:
 *
 * <pre>
 * "YUZUI KV" | version, header bytes: I32 | file bytes: I64
 * header: tokens, streams: I32 | numbers of an entry of each stream: I32 | encoding, model name,
 *         fingerprint: I32 length and UTF-8
 * tokens: I32 each | entries of stream 0, in order | … of stream 1 | … | CRC32C of all before: I32
 * </pre>
 *
 * Streams go layer by layer; version 1 had one of each. Of a stream's entries there are as many as
 * rows stand for tokens, and behind them those of the last tokens that it keeps beside its pages.
 * Pages do not show: a file fits stores of any page size.
 */
public final class CacheFile {
  private static final long MAGIC =
      ByteBuffer.wrap("YUZUI KV".getBytes(UTF_8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
  private static final int VERSION = 2;
  private static final int PREAMBLE = 24;
  private static final int CHECKSUM = 4;
  private static final int CHUNK = 1 << 30;
  private static final String AGAIN = "delete it and let the prompt be read again";

  private record Header(
      int tokens, List<Integer> widths, String encoding, String model, String fingerprint) {

    static Header of(KvCacheStore store, ModelKey model, int tokens) {
      return new Header(
          tokens,
          store.streams().stream().map(s -> s.kind().width()).toList(),
          store.layer(0).entries().encoding().label(),
          model.name(),
          model.fingerprint());
    }

    ByteBuffer bytes() {
      byte[][] texts = {
        encoding.getBytes(UTF_8), model.getBytes(UTF_8), fingerprint.getBytes(UTF_8)
      };
      int size = 8 + 4 * widths.size() + 4 * texts.length;
      for (byte[] text : texts) {
        size += text.length;
      }
      ByteBuffer out = littleEndian(size).putInt(tokens).putInt(widths.size());
      widths.forEach(out::putInt);
      for (byte[] text : texts) {
        out.putInt(text.length).put(text);
      }
      return out.flip();
    }

    static Header read(ByteBuffer in) {
      int tokens = in.getInt();
      List<Integer> widths = new ArrayList<>();
      for (int left = in.getInt(); left > 0; left--) {
        widths.add(in.getInt());
      }
      return new Header(tokens, List.copyOf(widths), text(in), text(in), text(in));
    }

    private static String text(ByteBuffer in) {
      byte[] text = new byte[in.getInt()];
      in.get(text);
      return new String(text, UTF_8);
    }
  }

  private CacheFile() {}

  /**
   * Writes the entries to {@code file}, which is replaced once all is written.
   *
   * @param tokens of the entries, all of them
   * @param layers that were written, the first ones; the others' entries are kept as zeros
   * @throws CacheFileException if it cannot be written; what was there before is left as it was
   */
  public static void save(Path file, ModelKey model, int[] tokens, Sequence sequence, int layers) {
    if (tokens.length != sequence.length()) {
      throw new IllegalArgumentException(
          tokens.length + " tokens for " + sequence.length() + " entries");
    }
    try {
      WholeFile.write(file, channel -> write(channel, model, tokens, sequence, layers));
    } catch (IOException e) {
      throw new CacheFileException(
          file, "file", "to write it", reason(e), "check the folder, its permissions and space", e);
    }
  }

  private static void write(
      FileChannel channel, ModelKey model, int[] tokens, Sequence sequence, int layers)
      throws IOException {
    KvCacheStore store = sequence.store();
    ByteBuffer header = Header.of(store, model, tokens.length).bytes();
    long total = PREAMBLE + header.remaining() + bodyBytes(store, tokens.length) + CHECKSUM;
    CRC32C crc = new CRC32C();
    put(
        channel,
        crc,
        littleEndian(PREAMBLE)
            .putLong(MAGIC)
            .putInt(VERSION)
            .putInt(header.remaining())
            .putLong(total)
            .flip());
    put(channel, crc, header);
    ByteBuffer ids = littleEndian(4 * tokens.length);
    ids.asIntBuffer().put(tokens);
    put(channel, crc, ids);
    try (Arena arena = Arena.ofConfined()) {
      long page =
          store.streams().stream()
              .mapToLong(s -> s.all().slice("page", 0, s.pageRows()).byteSize())
              .max()
              .orElseThrow();
      MemorySegment staging = arena.allocate(page, 64);
      eachRun(
          sequence,
          tokens.length,
          (layer, entries) -> {
            MemorySegment bytes = staging.asSlice(0, entries.byteSize());
            if (layer < layers) {
              store.read(layer, entries, bytes);
            } else {
              bytes.fill((byte) 0);
            }
            put(channel, crc, bytes.asByteBuffer());
          });
    }
    put(channel, new CRC32C(), littleEndian(CHECKSUM).putInt((int) crc.getValue()).flip());
  }

  /**
   * Fills an empty sequence with a file's entries.
   *
   * @return the tokens of the entries
   * @throws CacheFileException if the file is damaged, or of another model, encoding or version
   * @throws CacheFullException if too few pages are free
   */
  public static int[] load(Path file, ModelKey model, Sequence sequence) {
    if (sequence.length() > 0) {
      throw new IllegalStateException("the sequence has " + sequence.length() + " entries");
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment all = map(file, arena);
      ByteBuffer header = checked(file, all);
      Header found = Header.read(header);
      KvCacheStore store = sequence.store();
      requireFit(file, found, Header.of(store, model, found.tokens()), sequence);
      int[] tokens = new int[found.tokens()];
      long at = PREAMBLE + (long) header.capacity();
      all.asSlice(at, 4L * tokens.length)
          .asByteBuffer()
          .order(ByteOrder.LITTLE_ENDIAN)
          .asIntBuffer()
          .get(tokens);
      sequence.reserve(tokens.length);
      long[] from = {at + 4L * tokens.length};
      eachRun(
          sequence,
          tokens.length,
          (layer, entries) -> {
            store.write(layer, entries, all.asSlice(from[0], entries.byteSize()));
            from[0] += entries.byteSize();
          });
      sequence.advance(tokens.length);
      sequence.ringsBeginHere();
      return tokens;
    } catch (NoSuchFileException e) {
      throw new CacheFileException(file, "file", "an existing file", "none", "check the path", e);
    } catch (IOException e) {
      throw new CacheFileException(file, "file", "to read it", reason(e), "check the file", e);
    }
  }

  private static MemorySegment map(Path file, Arena arena) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    }
  }

  /** The header's bytes, once the file is known to be whole. */
  private static ByteBuffer checked(Path file, MemorySegment all) {
    ByteBuffer start =
        all.asSlice(0, Math.min(PREAMBLE, all.byteSize()))
            .asByteBuffer()
            .order(ByteOrder.LITTLE_ENDIAN);
    if (start.remaining() < PREAMBLE || start.getLong() != MAGIC) {
      throw new CacheFileException(
          file, "start", "\"YUZUI KV\"", "something else", "name a file that yuzui saved");
    }
    int version = start.getInt();
    if (version != VERSION) {
      throw new CacheFileException(file, "version", VERSION, version, AGAIN);
    }
    int headerBytes = start.getInt();
    long size = start.getLong();
    if (size != all.byteSize()) {
      throw new CacheFileException(
          file, "size", size + " bytes", all.byteSize() + ": it is truncated or damaged", AGAIN);
    }
    long end = size - CHECKSUM;
    CRC32C crc = new CRC32C();
    for (long at = 0; at < end; at += CHUNK) {
      crc.update(all.asSlice(at, Math.min(CHUNK, end - at)).asByteBuffer());
    }
    int stored = all.asSlice(end, CHECKSUM).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN).getInt();
    if (stored != (int) crc.getValue()) {
      throw new CacheFileException(
          file,
          "checksum",
          Integer.toHexString(stored),
          Integer.toHexString((int) crc.getValue()) + ": it is damaged",
          AGAIN);
    }
    return all.asSlice(PREAMBLE, headerBytes).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void requireFit(Path file, Header found, Header wanted, Sequence sequence) {
    if (!found.fingerprint().equals(wanted.fingerprint())) {
      throw new CacheFileException(
          file,
          "model",
          wanted.model() + " (" + wanted.fingerprint() + ")",
          found.model() + " (" + found.fingerprint() + ")",
          "use the file with the model that wrote it, or another file for this one");
    }
    if (!found.encoding().equals(wanted.encoding())) {
      throw new CacheFileException(
          file,
          "cache encoding",
          wanted.encoding(),
          found.encoding(),
          "use KvCacheOptions.encoding " + found.encoding().toLowerCase(Locale.ROOT));
    }
    if (!found.widths().equals(wanted.widths())) {
      throw new CacheFileException(
          file, "entries", shown(wanted.widths()), shown(found.widths()), AGAIN);
    }
    KvCacheStore store = sequence.store();
    int context = store.pagesPerSequence() * store.pageTokens();
    if (found.tokens() > context) {
      throw new CacheFileException(
          file,
          "tokens",
          "at most the context's " + context,
          found.tokens(),
          "use a larger RuntimeOptions.contextLength");
    }
  }

  private static String shown(List<Integer> widths) {
    long numbers = widths.stream().mapToLong(Integer::longValue).sum();
    return widths.size() + " streams of " + numbers + " numbers together";
  }

  private static long bodyBytes(KvCacheStore store, int tokens) {
    return 4L * tokens
        + store.streams().stream()
            .mapToLong(
                s -> {
                  long paged = s.paged() ? tokens / s.kind().tokens() : 0;
                  long last = Math.min(s.kind().ring(), tokens);
                  return s.all().encoding().byteSize(1, s.kind().width()) * (paged + last);
                })
            .sum();
  }

  private interface RunAction {
    void run(int layer, Tensor entries) throws IOException;
  }

  /** The first {@code count} entries of each stream, page by page, then its ring's. */
  private static void eachRun(Sequence sequence, int count, RunAction action) throws IOException {
    KvCacheStore store = sequence.store();
    int size = store.pageTokens();
    for (KvCacheStore.Stream stream : store.streams()) {
      for (int i = 0; i * size < count && stream.paged(); i++) {
        int entries = Math.min(size, count - i * size);
        if (entries >= stream.kind().tokens()) {
          action.run(stream.layer(), stream.page(sequence.page(i), entries));
        }
      }
      if (stream.ring().isPresent()) {
        Tensor ring = stream.ringOf(sequence.slot());
        for (int p = Math.max(0, count - stream.kind().ring()); p < count; p++) {
          action.run(stream.layer(), ring.slice("row", p % ring.rows(), 1));
        }
      }
    }
  }

  private static void put(FileChannel channel, CRC32C crc, ByteBuffer bytes) throws IOException {
    crc.update(bytes.duplicate());
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private static ByteBuffer littleEndian(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static String reason(IOException e) {
    return e.getClass().getSimpleName() + " " + e.getMessage();
  }
}
