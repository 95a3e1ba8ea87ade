package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.cpu.RepackFile.Found;
import dev.yuzui.backend.cpu.RepackFile.Identity;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A file of strips, and all that can be wrong with one. */
class RepackFileTest {
  private static final Identity MODEL = new Identity("0a1b2c3d", "V2 Lite", "f00d");
  private static final RepackFile.Key GATE =
      new RepackFile.Key("blk.0.gate[0]", StripType.Q4_K, 32, 256, 7);
  private static final RepackFile.Key DOWN =
      new RepackFile.Key("blk.0.down 鱼", StripType.Q6_K, 16, 256, -8);

  private final Arena arena = Arena.ofShared();
  private final Map<RepackFile.Key, MemorySegment> weights = new LinkedHashMap<>();

  @TempDir private Path folder;
  private Path file;

  @BeforeEach
  void write() throws IOException {
    weights.put(GATE, bytes(1000, 1));
    weights.put(DOWN, bytes(70_000, 2));
    file = folder.resolve("v2*lite [1].repacked");
    assertTrue(RepackFile.write(file, MODEL, weights));
  }

  @AfterEach
  void close() {
    arena.close();
  }

  private MemorySegment bytes(int count, int seed) {
    MemorySegment out = arena.allocate(count, 64);
    for (int i = 0; i < count; i++) {
      out.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 31 + i / 251 + seed));
    }
    return out;
  }

  private Map<RepackFile.Key, RepackFile.Entry> entries() {
    return assertInstanceOf(Found.Fit.class, RepackFile.find(file, MODEL)).weights();
  }

  private MemorySegment mapped() throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    }
  }

  private String unfit(Identity wanted) {
    return assertInstanceOf(Found.Unfit.class, RepackFile.find(file, wanted)).because();
  }

  @Test
  void holdsEachWeightOnALineOfMemory() throws IOException {
    MemorySegment all = mapped();
    assertEquals(List.copyOf(weights.keySet()), List.copyOf(entries().keySet()));
    entries()
        .forEach(
            (key, entry) -> {
              assertEquals(0, entry.offset() % 64);
              assertEquals(
                  -1, all.asSlice(entry.offset(), entry.bytes()).mismatch(weights.get(key)));
            });
    entries().forEach((key, entry) -> assertEquals(Optional.empty(), damage(all, key, entry)));
    assertEquals(RepackFile.size(MODEL, weights), Files.size(file));
  }

  @Test
  void mayHoldNoWeights() throws IOException {
    assertTrue(RepackFile.write(file, MODEL, Map.of()));
    assertEquals(Map.of(), entries());
  }

  @Test
  void whereThereIsNoneNothingIsFound() {
    assertEquals(new Found.Nothing(), RepackFile.find(folder.resolve("none"), MODEL));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ffffffff | V2 Lite | f00d | layout: expected ffffffff, found 0a1b2c3d",
        "0a1b2c3d | V3 | f00d | model: expected V3 (f00d), found V2 Lite (f00d)",
        "0a1b2c3d | V2 Lite | beef | model: expected V2 Lite (beef), found V2 Lite (f00d)"
      })
  void ofAnotherModelOrKernelIsNamed(
      String layout, String model, String fingerprint, String because) {
    assertEquals(because, unfit(new Identity(layout, model, fingerprint)));
  }

  @Test
  void ofAnotherVersionIsNamed() throws IOException {
    overwrite(8, 99);
    assertEquals("version: expected 1, found 99", unfit(MODEL));
  }

  @Test
  void somethingElseIsNamed() throws IOException {
    Files.writeString(file, "a letter");
    assertEquals("start: expected \"YUZUI RP\", found something else", unfit(MODEL));
    Files.write(file, new byte[0]);
    assertEquals("start: expected \"YUZUI RP\", found something else", unfit(MODEL));
  }

  @ParameterizedTest
  @ValueSource(ints = {27, 28, 100, 4096, 5000, 75_000})
  void cutShortAtAnyPlaceIsUnfit(int bytes) throws IOException {
    byte[] all = Files.readAllBytes(file);
    assertTrue(bytes < all.length);
    Files.write(file, Arrays.copyOf(all, bytes));
    String because = unfit(MODEL);
    assertTrue(because.contains("truncated") || because.startsWith("start"), because);
  }

  @Test
  void longerThanItSaysIsUnfit() throws IOException {
    Files.write(file, new byte[1], StandardOpenOption.APPEND);
    assertTrue(unfit(MODEL).startsWith("size: "), unfit(MODEL));
  }

  /** Preamble and header: no bit of them may be another. */
  @Test
  void anyBitOfTheHeaderCounts() throws IOException {
    byte[] whole = Files.readAllBytes(file);
    int end = 28 + Memory.i32(mapped().address() + 12);
    for (int i = 0; i < end; i++) {
      byte[] damaged = whole.clone();
      damaged[i] ^= (byte) (1 << i % 8);
      Files.write(file, damaged);
      assertFalse(unfit(MODEL).isEmpty(), "byte " + i);
    }
  }

  @Test
  void damagedStripsAreNamed() throws IOException {
    for (Map.Entry<RepackFile.Key, RepackFile.Entry> weight : entries().entrySet()) {
      RepackFile.Entry entry = weight.getValue();
      for (long at : new long[] {0, entry.bytes() / 2, entry.bytes() - 1}) {
        write();
        overwrite(entry.offset() + at, Files.readAllBytes(file)[(int) (entry.offset() + at)] ^ 4);
        assertEquals(entry, entries().get(weight.getKey()), "the header is as it was");
        String because = damage(mapped(), weight.getKey(), entry).orElseThrow();
        assertTrue(
            because.startsWith("checksum of " + weight.getKey() + ": expected ")
                && because.endsWith(": it is damaged"),
            because);
      }
    }
  }

  private static Optional<String> damage(
      MemorySegment all, RepackFile.Key key, RepackFile.Entry entry) {
    return RepackFile.damage(key, entry, all.asSlice(entry.offset(), entry.bytes()));
  }

  private void overwrite(long at, int value) throws IOException {
    byte[] all = Files.readAllBytes(file);
    all[(int) at] = (byte) value;
    Files.write(file, all);
  }

  @Test
  void oneThatIsBeingWrittenIsLeftToItsWriter() throws IOException {
    Path part = folder.resolve(file.getFileName() + ".1.part");
    try (FileChannel other =
        FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      other.lock();
      assertFalse(RepackFile.write(file, MODEL, Map.of()));
      assertEquals(weights.keySet(), entries().keySet());
    }
    assertTrue(Files.exists(part));
  }

  @Test
  void whatAWriterLeftBehindIsDeletedAndOtherFilesAreNot() throws IOException {
    Path left = Files.writeString(folder.resolve(file.getFileName() + ".1.part"), "half");
    Path other = Files.writeString(folder.resolve("v2 lite 1.repacked.1.part"), "half");
    assertTrue(RepackFile.write(file, MODEL, Map.of(GATE, bytes(64, 3))));
    assertFalse(Files.exists(left));
    assertTrue(Files.exists(other));
    assertEquals(Map.of(GATE, entries().get(GATE)), entries());
  }

  @Test
  void whatCannotBeWrittenLeavesTheOldFile() throws IOException {
    Map<RepackFile.Key, MemorySegment> closed = new LinkedHashMap<>();
    try (Arena gone = Arena.ofShared()) {
      closed.put(GATE, gone.allocate(100));
    }
    assertThrows(RuntimeException.class, () -> RepackFile.write(file, MODEL, closed));
    assertEquals(weights.keySet(), entries().keySet());
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(file), files.toList());
    }
  }
}
