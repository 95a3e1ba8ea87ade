package dev.yuzui.cache;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CacheFileTest {
  private static final ModelKey MODEL = new ModelKey("tiny", "0123abcd");
  private static final int[] STORY = IntStream.range(100, 118).toArray();

  @TempDir Path folder;
  private Path file;
  private Backend backend;
  private KvCacheStore store;

  @BeforeEach
  void open() {
    file = folder.resolve("story.kv");
    backend = new ReferenceProvider().open(BackendOptions.defaults());
    store = store(3, 8, Encoding.F32, 4, 32);
  }

  @AfterEach
  void close() {
    store.close();
    backend.close();
  }

  private KvCacheStore store(
      int layers, int entry, Encoding encoding, int pageTokens, int context) {
    return new KvCacheStore(backend, layers, entry, encoding, pageTokens, context, 2);
  }

  private void save(int... tokens) {
    try (Sequence s = store.openSequence()) {
      new Entries(backend, store).append(s, tokens);
      CacheFile.save(file, MODEL, tokens, s, store.streams().getLast().layer() + 1);
    }
  }

  private String refusal(KvCacheStore into, ModelKey model) {
    try (Sequence s = into.openSequence()) {
      String message =
          assertThrows(CacheFileException.class, () -> CacheFile.load(file, model, s)).getMessage();
      assertEquals(0, s.length());
      assertTrue(message.startsWith(file + ": "), message);
      return message;
    }
  }

  @ParameterizedTest
  @CsvSource({"4", "1", "7", "32"})
  void aSequenceComesBackIntoPagesOfAnySize(int pageTokens) {
    save(STORY);
    try (KvCacheStore other = store(3, 8, Encoding.F32, pageTokens, 32);
        Sequence before = other.openSequence();
        Sequence s = other.openSequence()) {
      before.reserve(1); // so that pages differ from those it was saved from
      assertArrayEquals(STORY, CacheFile.load(file, MODEL, s));
      assertTrue(new Entries(backend, other).areOf(s, STORY));
    }
  }

  @Test
  void whatWasLoadedCanBeFound() {
    save(STORY);
    try (Sequence s = store.openSequence()) {
      s.publish(CacheFile.load(file, MODEL, s));
    }
    try (Sequence s = store.openSequence()) {
      assertEquals(16, s.adopt(STORY));
      assertTrue(new Entries(backend, store).areOf(s, Arrays.copyOf(STORY, 16)));
    }
  }

  @Test
  void anEmptySequenceIsKeptToo() {
    save();
    try (Sequence s = store.openSequence()) {
      assertEquals(0, CacheFile.load(file, MODEL, s).length);
    }
  }

  @Test
  void layersThatWereNotWrittenComeBackAsZeros() {
    List<byte[]> before;
    try (Sequence s = store.openSequence()) {
      new Entries(backend, store).append(s, STORY);
      before = lastPages(s);
      CacheFile.save(file, MODEL, STORY, s, 2);
    }
    try (Sequence s = store.openSequence()) {
      CacheFile.load(file, MODEL, s);
      List<byte[]> after = lastPages(s);
      assertArrayEquals(before.get(0), after.get(0));
      assertArrayEquals(before.get(1), after.get(1));
      assertArrayEquals(new byte[before.get(2).length], after.get(2));
    }
  }

  /** Of each layer, the entries in the page that is not full. */
  private List<byte[]> lastPages(Sequence s) {
    int row = s.page(s.pageCount() - 1) * store.pageTokens();
    int count = s.length() % store.pageTokens();
    try (Arena arena = Arena.ofConfined()) {
      return store.streams().stream()
          .map(
              layer -> {
                Tensor entries = layer.entries().slice("entries", row, count);
                MemorySegment bytes = arena.allocate(entries.byteSize(), 4);
                backend.read(entries, bytes);
                return bytes.toArray(ValueLayout.JAVA_BYTE);
              })
          .toList();
    }
  }

  @Test
  void savingAgainReplacesTheFileAndLeavesNothingElse() throws IOException {
    save(STORY);
    save(Arrays.copyOf(STORY, 5));
    try (Sequence s = store.openSequence()) {
      assertEquals(5, CacheFile.load(file, MODEL, s).length);
    }
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(1, files.count());
    }
  }

  @Test
  void aFolderThatIsNotThereIsNamed() {
    file = folder.resolve("none/story.kv");
    String message = assertThrows(CacheFileException.class, () -> save(STORY)).getMessage();
    assertTrue(message.startsWith(file + ": file: expected to write it, found NoSuch"), message);
  }

  @Test
  void anotherModelsFileIsRefused() {
    save(STORY);
    assertEquals(
        file
            + ": model: expected large (99), found tiny (0123abcd); use the file with the model that"
            + " wrote it, or another file for this one",
        refusal(store, new ModelKey("large", "99")));
  }

  @Test
  void anotherEncodingOrShapeIsRefused() {
    save(STORY);
    try (KvCacheStore f16 = store(3, 8, Encoding.F16, 4, 32);
        KvCacheStore fewer = store(2, 8, Encoding.F32, 4, 32);
        KvCacheStore wider = store(3, 16, Encoding.F32, 4, 32);
        KvCacheStore shorter = store(3, 8, Encoding.F32, 4, 16)) {
      assertEquals(
          file + ": cache encoding: expected F16, found F32; use KvCacheOptions.encoding f32",
          refusal(f16, MODEL));
      assertTrue(
          refusal(fewer, MODEL)
              .contains("expected 2 streams of 16 numbers together, found 3 streams of 24"));
      assertTrue(
          refusal(wider, MODEL)
              .contains("expected 3 streams of 48 numbers together, found 3 streams of 24"));
      assertTrue(refusal(shorter, MODEL).contains("at most the context's 16, found 18"));
    }
  }

  @Test
  void aFileThatIsNoneIsRefused() throws IOException {
    assertTrue(refusal(store, MODEL).contains("expected an existing file, found none"));
    Files.writeString(file, "Once upon a time there was a text file.");
    assertTrue(refusal(store, MODEL).contains("start: expected \"YUZUI KV\""));
    Files.write(file, new byte[0]);
    assertTrue(refusal(store, MODEL).contains("start: expected \"YUZUI KV\""));
  }

  @Test
  void anotherVersionIsRefused() throws IOException {
    save(STORY);
    byte[] bytes = Files.readAllBytes(file);
    bytes[8] = 9;
    Files.write(file, bytes);
    assertTrue(refusal(store, MODEL).contains("version: expected 2, found 9"));
  }

  @Test
  void everyTruncationIsSeen() throws IOException {
    save(STORY);
    byte[] bytes = Files.readAllBytes(file);
    for (int length = 0; length < bytes.length; length += length < 200 ? 1 : 37) {
      Files.write(file, Arrays.copyOf(bytes, length));
      refusal(store, MODEL);
    }
    Files.write(file, Arrays.copyOf(bytes, bytes.length + 1));
    assertTrue(refusal(store, MODEL).contains("size: expected " + bytes.length + " bytes"));
  }

  @Test
  void everyChangedByteIsSeen() throws IOException {
    save(STORY);
    byte[] bytes = Files.readAllBytes(file);
    Random random = new Random(3);
    for (int i = 0; i < bytes.length; i += i < 200 ? 1 : 13) {
      byte[] damaged = bytes.clone();
      damaged[i] ^= (byte) (1 << random.nextInt(8));
      Files.write(file, damaged);
      refusal(store, MODEL);
    }
    assertEquals(store.pages(), store.freePages());
  }

  @Test
  void aTextAsLongAsTheContextIsLoaded() {
    save(STORY);
    try (KvCacheStore exact = store(3, 8, Encoding.F32, 1, STORY.length);
        Sequence s = exact.openSequence()) {
      assertArrayEquals(STORY, CacheFile.load(file, MODEL, s));
    }
  }

  @Test
  void onlyAnEmptySequenceIsLoadedAndOnlyAWholeTextSaved() {
    save(STORY);
    try (Sequence s = store.openSequence()) {
      new Entries(backend, store).append(s, STORY);
      assertThrows(IllegalStateException.class, () -> CacheFile.load(file, MODEL, s));
      for (int length : new int[] {STORY.length - 1, STORY.length + 1}) {
        int[] tokens = Arrays.copyOf(STORY, length);
        assertThrows(
            IllegalArgumentException.class, () -> CacheFile.save(file, MODEL, tokens, s, 3));
      }
      assertEquals(STORY.length, s.length());
    }
  }

  @Test
  void tooFewPagesLeaveTheSequenceEmpty() {
    save(STORY);
    try (KvCacheStore small = new KvCacheStore(_ -> backend, 3, 8, Encoding.F32, 4, 32, 1, 4);
        Sequence s = small.openSequence()) {
      assertThrows(CacheFullException.class, () -> CacheFile.load(file, MODEL, s));
      assertEquals(0, s.length());
      assertEquals(4, small.freePages());
    }
  }
}
