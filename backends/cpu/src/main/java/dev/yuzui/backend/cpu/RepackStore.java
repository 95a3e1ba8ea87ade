package dev.yuzui.backend.cpu;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.RepackCache;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.zip.CRC32C;

/**
 * What a backend keeps of repacked weights from start to start: those of a {@link RepackFile},
 * mapped, and those that were not in it, to be written. A file that cannot be used or written is
 * told of in a line and is no failure.
 */
final class RepackStore implements AutoCloseable {
  private static final int SPOT_BYTES = 64;

  private final Path file;
  private final RepackFile.Identity identity;
  private final Consumer<String> log;
  private final Consumer<String> notice;
  private final Arena arena = Arena.ofShared();

  private final Map<RepackFile.Key, Mapped> kept = new LinkedHashMap<>();

  /** Repacked by this start. */
  private final Map<RepackFile.Key, MemorySegment> fresh = new LinkedHashMap<>();

  private final Optional<FileTime> seen;
  private boolean writes = true;
  private long found;

  private RepackStore(
      Path file, RepackFile.Identity identity, Consumer<String> log, Consumer<String> notice) {
    this.file = file;
    this.identity = identity;
    this.log = log;
    this.notice = notice;
    this.seen = modified(file);
  }

  /** A weight of the file: looked at by whoever uses it first. */
  private final class Mapped implements Runnable {
    private final RepackFile.Key key;
    private final RepackFile.Entry entry;
    private final MemorySegment strips;
    private final SystemCalls system;
    private volatile boolean whole;

    Mapped(RepackFile.Key key, RepackFile.Entry entry, MemorySegment strips, SystemCalls system) {
      this.key = key;
      this.entry = entry;
      this.strips = strips;
      this.system = system;
    }

    synchronized Optional<String> damage() {
      if (whole) {
        return Optional.empty();
      }
      system.fetch(strips);
      Optional<String> damage = RepackFile.damage(key, entry, strips);
      whole = damage.isEmpty();
      return damage;
    }

    /** No number has been made of it yet, and none will be. */
    @Override
    public void run() {
      Optional<String> damage = whole ? Optional.empty() : damage();
      if (damage.isPresent()) {
        deleteIfPossible();
        throw new BackendException(file + ": " + damage.get(), "start again, which makes it anew");
      }
    }
  }

  private void deleteIfPossible() {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      notice.accept(file + ": cannot be deleted: " + reason(e));
    }
  }

  private static Optional<FileTime> modified(Path file) {
    try {
      return Optional.of(Files.getLastModifiedTime(file));
    } catch (IOException _) {
      return Optional.empty();
    }
  }

  static RepackStore open(
      RepackCache cache, StripKernels kernels, SystemCalls system, BackendOptions options) {
    RepackFile.Identity identity = identity(cache, kernels);
    RepackStore store =
        new RepackStore(file(cache, identity), identity, options.log(), options.notice());
    switch (RepackFile.find(store.file, identity)) {
      case RepackFile.Found.Nothing _ -> store.requireRoom(cache.bytes(), 0);
      case RepackFile.Found.Unfit(String because, long bytes) -> {
        store.toldUnfit(because);
        store.requireRoom(cache.bytes(), bytes);
      }
      case RepackFile.Found.Fit(var weights, long bytes) -> {
        Optional<String> unfit = store.map(weights, system);
        unfit.ifPresent(
            because -> {
              store.toldUnfit(because);
              store.requireRoom(cache.bytes(), bytes);
            });
      }
    }
    return store;
  }

  /** What a start would find; the strips are not read. */
  static RepackCache.State state(RepackCache cache, StripKernels kernels) {
    RepackFile.Identity identity = identity(cache, kernels);
    Path file = file(cache, identity);
    OptionalLong room = room(file);
    return switch (RepackFile.find(file, identity)) {
      case RepackFile.Found.Nothing _ ->
          new RepackCache.State(file, OptionalLong.empty(), Optional.empty(), room);
      case RepackFile.Found.Unfit(String because, long bytes) ->
          new RepackCache.State(file, OptionalLong.of(bytes), Optional.of(because), room);
      case RepackFile.Found.Fit(_, long bytes) ->
          new RepackCache.State(file, OptionalLong.of(bytes), Optional.empty(), room);
    };
  }

  private static RepackFile.Identity identity(RepackCache cache, StripKernels kernels) {
    return new RepackFile.Identity(layout(kernels), cache.model(), cache.fingerprint());
  }

  /** Kernels that repack otherwise have files of their own. */
  private static Path file(RepackCache cache, RepackFile.Identity identity) {
    String model = cache.model().replaceAll("[^A-Za-z0-9._-]+", "-");
    String print = cache.fingerprint();
    return cache
        .folder()
        .toAbsolutePath()
        .resolve(
            model.substring(0, Math.min(64, model.length()))
                + "-"
                + print.substring(0, Math.min(16, print.length()))
                + "-"
                + identity.layout()
                + ".repacked");
  }

  /**
   * Names how kernels repack: a checksum of what they make of known bytes, in every format that
   * they take.
   */
  static String layout(StripKernels kernels) {
    int rows = Packed.ROWS + 4;
    int cols = 512;
    CRC32C crc = new CRC32C();
    try (Arena arena = Arena.ofConfined()) {
      for (Encoding encoding : Encoding.all()) {
        Optional<StripType> type = StripType.of(encoding).filter(kernels::takes);
        if (type.isEmpty()) {
          continue;
        }
        MemorySegment weights = arena.allocate(encoding.byteSize(rows, cols), 64);
        for (long i = 0, x = 1; i < weights.byteSize(); i++) {
          x = x * 6364136223846793005L + 1442695040888963407L;
          weights.set(ValueLayout.JAVA_BYTE, i, (byte) (x >>> 56));
        }
        MemorySegment scales = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4);
        MemorySegment strips = arena.allocate(kernels.packedBytes(type.get(), rows, cols), 64);
        kernels.pack(type.get(), weights.address(), scales.address(), rows, cols, strips.address());
        crc.update(type.get().ordinal());
        crc.update(strips.asByteBuffer());
      }
    }
    return String.format(Locale.ROOT, "%08x", crc.getValue());
  }

  private void toldUnfit(String because) {
    notice.accept(file + ": " + because + "; it is made anew");
  }

  /** Before the work begins: {@code freed} bytes are given back by what is there. */
  private void requireRoom(long bytes, long freed) {
    OptionalLong room = room(file);
    if (room.isPresent() && room.getAsLong() + freed < bytes) {
      writes = false;
      notice.accept(
          "%s: expected %s free for repacked weights, found %s; they are not kept this time"
              .formatted(file, size(bytes), size(room.getAsLong() + freed)));
    }
  }

  private static OptionalLong room(Path file) {
    Path folder = file.getParent();
    while (folder.getParent() != null && !Files.isDirectory(folder)) {
      folder = folder.getParent();
    }
    try {
      return OptionalLong.of(Files.getFileStore(folder).getUsableSpace());
    } catch (IOException _) {
      return OptionalLong.empty();
    }
  }

  /** Why not, if the file cannot be mapped. */
  private Optional<String> map(Map<RepackFile.Key, RepackFile.Entry> weights, SystemCalls system) {
    MemorySegment all;
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      all = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException e) {
      return Optional.of("cannot be mapped: " + reason(e));
    }
    system.hugePages(all);
    weights.forEach(
        (key, entry) ->
            kept.put(
                key, new Mapped(key, entry, all.asSlice(entry.offset(), entry.bytes()), system)));
    log.accept("%s: %s of repacked weights are mapped".formatted(file, size(all.byteSize())));
    return Optional.empty();
  }

  /**
   * The weight in strips, where the file has it.
   *
   * @param now whether they are compared with their checksum at once, and repacked if they are
   *     damaged. Those of experts are when a token first asks for one: the first token asks for few
   *     of them, and reading all takes longer than the rest of a start.
   */
  synchronized Optional<Packed> find(StripType type, HostTensor weight, long bytes, boolean now) {
    RepackFile.Key key = key(type, weight);
    Mapped mapped = kept.get(key);
    if (mapped == null || mapped.strips.byteSize() != bytes || now && !isWhole(mapped)) {
      return Optional.empty();
    }
    found++;
    return Optional.of(
        new Packed(type, mapped.strips.address(), key.rows(), key.cols(), bytes, mapped));
  }

  /** A damaged one is no longer there. */
  private boolean isWhole(Mapped mapped) {
    Optional<String> damage = mapped.damage();
    damage.ifPresent(
        because -> {
          toldUnfit(because);
          kept.remove(mapped.key);
        });
    return damage.isEmpty();
  }

  /** A weight that was not there, in strips that stay as they are until {@link #complete}. */
  synchronized void add(HostTensor weight, Packed packed) {
    fresh.put(key(packed.type(), weight), Memory.ALL.asSlice(packed.address(), packed.bytes()));
  }

  private static RepackFile.Key key(StripType type, HostTensor weight) {
    CRC32C source = new CRC32C();
    addSpot(source, weight.data());
    weight.scales().ifPresent(scales -> addSpot(source, scales));
    return new RepackFile.Key(
        weight.name(),
        type,
        Math.toIntExact(weight.rows()),
        Math.toIntExact(weight.cols()),
        (int) source.getValue());
  }

  /** In the middle, where the checkpoint's fingerprint looks too: no further page is read. */
  private static void addSpot(CRC32C crc, MemorySegment data) {
    long count = Math.min(SPOT_BYTES, data.byteSize());
    crc.update(data.asSlice((data.byteSize() - count) / 2, count).asByteBuffer());
  }

  /** Writes what was added, with what the file has already. */
  synchronized void complete() {
    log.accept("cpu: %d weights were repacked, %d were there".formatted(fresh.size(), found));
    if (writes && !fresh.isEmpty()) {
      // a new file has new checksums, of what is known to be right
      kept.values().stream().toList().parallelStream().forEach(Mapped::damage);
      List.copyOf(kept.values()).forEach(this::isWhole);
      Map<RepackFile.Key, MemorySegment> all = new LinkedHashMap<>();
      kept.forEach((key, mapped) -> all.put(key, mapped.strips));
      all.putAll(fresh);
      write(all);
    }
    fresh.clear();
  }

  private void write(Map<RepackFile.Key, MemorySegment> all) {
    long bytes = RepackFile.size(identity, all);
    try {
      Files.createDirectories(file.getParent());
      if (!modified(file).equals(seen)
          && RepackFile.find(file, identity) instanceof RepackFile.Found.Fit(var there, _)
          && there.keySet().containsAll(all.keySet())) {
        log.accept(file + ": another process has written it");
        return;
      }
      if (kept.isEmpty()) {
        Files.deleteIfExists(file); // it cannot be used, and its room is wanted
      }
      requireRoom(bytes, 0);
      if (!writes) {
        return;
      }
      notice.accept(
          file + ": " + size(bytes) + " of repacked weights are written, for later starts");
      if (!RepackFile.write(file, identity, all)) {
        notice.accept(file + ": another process writes it already");
      }
    } catch (IOException e) {
      notice.accept(file + ": repacked weights cannot be kept: " + reason(e));
    }
  }

  private static String reason(IOException e) {
    return e instanceof FileSystemException f && f.getReason() != null
        ? f.getReason()
        : e.getClass().getSimpleName() + " " + e.getMessage();
  }

  private static String size(long bytes) {
    return bytes < 1L << 30
        ? String.format(Locale.ROOT, "%.1f MiB", bytes / 0x1p20)
        : String.format(Locale.ROOT, "%.2f GiB", bytes / 0x1p30);
  }

  @Override
  public void close() {
    arena.close();
  }
}
