package dev.yuzui.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.CacheStream;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SequenceTest {
  private static final int PAGE = 4;
  private static final int ENTRY = 8;

  private Backend backend;
  private KvCacheStore store;

  @BeforeEach
  void open() {
    backend = new ReferenceProvider().open(BackendOptions.defaults());
    store = new KvCacheStore(backend, 2, ENTRY, Encoding.F32, PAGE, 32, 4);
  }

  @AfterEach
  void close() {
    store.close();
    backend.close();
  }

  /** Appends entries whose numbers are all {@code value}, as a step would. */
  private void append(Sequence sequence, int count, float value) {
    sequence.reserve(count);
    for (int layer = 0; layer < 2; layer++) {
      for (int i = 0; i < count; i++) {
        put(sequence, layer, sequence.length() + i, value + layer);
      }
    }
    sequence.advance(count);
  }

  private Tensor row(Sequence sequence, int layer, int entry) {
    long row = (long) sequence.page(entry / PAGE) * PAGE + entry % PAGE;
    return store.layer(layer).entries().slice("entry", row, 1);
  }

  private void put(Sequence sequence, int layer, int entry, float value) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment numbers = arena.allocate(4L * ENTRY, 4);
      for (int i = 0; i < ENTRY; i++) {
        numbers.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
      }
      backend.write(row(sequence, layer, entry), numbers);
    }
  }

  private float get(Sequence sequence, int layer, int entry) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment numbers = arena.allocate(4L * ENTRY, 4);
      backend.read(row(sequence, layer, entry), numbers);
      return numbers.getAtIndex(ValueLayout.JAVA_FLOAT, ENTRY - 1);
    }
  }

  @Test
  void pagesAreTakenAsTheSequenceGrowsAndFreedByTruncate() {
    try (Sequence s = store.openSequence()) {
      append(s, 1, 1);
      assertEquals(1, s.pageCount());
      append(s, 3, 1);
      assertEquals(1, s.pageCount());
      append(s, 1, 1);
      assertEquals(2, s.pageCount());
      s.truncate(4);
      assertEquals(1, s.pageCount());
      s.truncate(0);
      assertEquals(store.pages(), store.freePages());
    }
  }

  @Test
  void aForkSharesPagesUntilOneOfTheTwoWrites() {
    try (Sequence parent = store.openSequence()) {
      append(parent, 6, 10);
      int free = store.freePages();
      try (Sequence child = parent.fork()) {
        assertEquals(free, store.freePages(), "a fork takes no page");
        assertNotEquals(parent.slot(), child.slot());
        append(child, 1, 20);
        assertEquals(free - 1, store.freePages(), "the shared half-full page is copied");
        append(parent, 1, 30);
        assertEquals(20f, get(child, 0, 6));
        assertEquals(30f, get(parent, 0, 6));
        assertEquals(10f, get(child, 0, 5), "entries before the fork are kept");
        assertEquals(11f, get(child, 1, 5), "in every layer");
      }
      assertEquals(10f, get(parent, 0, 5));
    }
    assertEquals(store.pages(), store.freePages());
  }

  @Test
  void rollingBackIntoASharedPageDoesNotDisturbTheOther() {
    try (Sequence parent = store.openSequence()) {
      append(parent, 8, 1);
      try (Sequence child = parent.fork()) {
        child.truncate(2);
        append(child, 3, 5);
        assertEquals(1f, get(parent, 0, 2));
        assertEquals(5f, get(child, 0, 2));
        assertEquals(1f, get(child, 0, 1));
      }
    }
  }

  @Test
  void aReservationThatFailsLeavesTheSequenceAsItWas() {
    List<Sequence> all = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      Sequence s = store.openSequence();
      append(s, 32, i);
      all.add(s);
    }
    assertThrows(CacheFullException.class, () -> all.getFirst().reserve(1));
    assertThrows(CacheFullException.class, () -> store.openSequence());
    assertEquals(32, all.getFirst().length());
    all.forEach(Sequence::close);
    assertEquals(store.pages(), store.freePages());
  }

  @Test
  void theLastPageCanBeMadeItsOwnWithoutAWrite() {
    try (Sequence parent = store.openSequence()) {
      parent.ownLastPage();
      assertEquals(0, parent.pageCount(), "nothing is shared");
      append(parent, 6, 1);
      int page = parent.page(1);
      parent.ownLastPage();
      assertEquals(page, parent.page(1), "nothing is shared");
      try (Sequence child = parent.fork()) {
        child.ownLastPage();
        assertEquals(parent.page(0), child.page(0));
        assertNotEquals(parent.page(1), child.page(1));
        put(child, 0, 5, 9);
        assertEquals(1f, get(parent, 0, 5));
        assertEquals(1f, get(child, 0, 4), "the entries come along");
        assertEquals(2f, get(child, 1, 5), "in every layer");
      }
    }
  }

  @Test
  void owningAPageTouchesNoOther() {
    try (Sequence parent = store.openSequence();
        Sequence neighbour = store.openSequence()) {
      append(parent, 6, 1);
      try (Sequence before = store.openSequence()) {
        append(before, 4, 7);
        append(neighbour, 4, 8);
      } // whose page is the next to be taken, and lies before the neighbour's
      try (Sequence child = parent.fork()) {
        child.ownLastPage();
        assertEquals(child.page(1) + 1, neighbour.page(0));
        assertEquals(8f, get(neighbour, 0, 0));
        assertEquals(8f, get(neighbour, 0, 3));
      }
    }
  }

  @Test
  void nothingIsCopiedForNothing() {
    try (Sequence parent = store.openSequence()) {
      append(parent, 6, 1);
      try (Sequence child = parent.fork();
          Sequence empty = store.openSequence()) {
        int free = store.freePages();
        child.reserve(0);
        empty.ownLastPage();
        assertEquals(parent.page(1), child.page(1));
        assertEquals(free, store.freePages());
      }
    }
    assertEquals(store.pages(), store.freePages());
  }

  @Test
  void theLastPageThatIsFullIsTheOneMadeItsOwn() {
    try (Sequence parent = store.openSequence()) {
      append(parent, 8, 1);
      try (Sequence child = parent.fork()) {
        child.ownLastPage();
        assertEquals(parent.page(0), child.page(0));
        assertNotEquals(parent.page(1), child.page(1));
        assertEquals(1f, get(child, 0, 7));
      }
    }
  }

  @Test
  void aPageThatIsOthersNowIsNotTouched() {
    try (Sequence s = store.openSequence();
        Sequence other = store.openSequence()) {
      append(s, 8, 1);
      s.truncate(4);
      append(other, 4, 2); // into the page that s gave back
      try (Sequence fork = other.fork()) {
        append(s, 1, 3);
        assertEquals(2f, get(other, 0, 3));
        assertEquals(2f, get(fork, 0, 3));
        assertEquals(store.pages() - 3, store.freePages());
      }
    }
    assertEquals(store.pages(), store.freePages());
  }

  @Test
  void aSequenceEndsAtTheContext() {
    try (Sequence s = store.openSequence()) {
      append(s, 32, 1);
      String message = assertThrows(CacheFullException.class, () -> s.reserve(1)).getMessage();
      assertEquals("a sequence of 33 tokens exceeds the context of 32", message);
      assertEquals(4, s.pageTokens());
    }
  }

  @Test
  void whatIsNotThereIsRefused() {
    try (Sequence s = store.openSequence()) {
      s.reserve(4);
      assertThrows(IllegalStateException.class, () -> s.advance(5));
      s.advance(4);
      assertThrows(IllegalStateException.class, () -> s.advance(1));
      assertThrows(IndexOutOfBoundsException.class, () -> s.page(1));
      assertThrows(IllegalArgumentException.class, () -> s.truncate(5));
      assertThrows(IllegalArgumentException.class, () -> s.truncate(-1));
      assertEquals(4, s.length());
    }
  }

  @Test
  void pagesReservedAndNotWrittenAreGivenBackByAdopt() {
    int[] text = new int[12];
    try (Sequence s = store.openSequence()) {
      append(s, 8, 1);
      s.publish(text);
    }
    try (Sequence s = store.openSequence()) {
      s.reserve(9);
      assertEquals(8, s.adopt(text));
      assertEquals(2, s.pageCount());
      assertEquals(store.pages() - 2, store.freePages());
      assertEquals(1f, get(s, 0, 7));
    }
  }

  @Test
  void fillMakesNumbersLikeNormalisedLatentsAndForgetsPrefixes() {
    int[] text = new int[12];
    try (Sequence s = store.openSequence()) {
      append(s, 8, 1);
      s.publish(text);
    }
    store.fill();
    for (int layer = 0; layer < 2; layer++) {
      double squares = 0;
      int rows = store.pages() * PAGE;
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment all = arena.allocate(4L * ENTRY * rows, 4);
        backend.read(store.layer(layer).entries(), all);
        for (int i = 0; i < ENTRY * rows; i++) {
          squares += Math.pow(all.getAtIndex(ValueLayout.JAVA_FLOAT, i), 2);
        }
      }
      assertEquals(1, squares / ENTRY / rows, 0.15);
    }
    try (Sequence s = store.openSequence()) {
      assertEquals(0, s.adopt(text));
    }
  }

  @Test
  void aTokenTakesAnEntryInEachLayer() {
    assertEquals(3 * 8 * 4, KvCacheStore.bytesPerToken(layers(3, 8), Encoding.F32));
    assertEquals(2 * 34, KvCacheStore.bytesPerToken(layers(2, 32), new Encoding.Q8_0()));
  }

  @Test
  void closingAStoreTwiceClosesItsBuffersOnce() {
    KvCacheStore other = new KvCacheStore(backend, 1, ENTRY, Encoding.F32, PAGE, 8, 1);
    other.close();
    other.close();
  }

  @Test
  void closingTwiceFreesOnce() {
    Sequence s = store.openSequence();
    append(s, 5, 1);
    s.close();
    s.close();
    assertEquals(store.pages(), store.freePages());
    try (Sequence a = store.openSequence();
        Sequence b = store.openSequence()) {
      assertNotEquals(a.slot(), b.slot());
    }
  }

  /** Random appends, rollbacks, forks and closes against plain lists. */
  @Test
  void behavesLikeListsOfNumbers() {
    Random random = new Random(7);
    List<Sequence> open = new ArrayList<>();
    List<List<Float>> model = new ArrayList<>();
    for (int step = 0; step < 3000; step++) {
      int pick = open.isEmpty() ? -1 : random.nextInt(open.size());
      switch (random.nextInt(4)) {
        case 0 -> {
          if (open.size() < 4) {
            if (pick >= 0 && random.nextBoolean()) {
              open.add(open.get(pick).fork());
              model.add(new ArrayList<>(model.get(pick)));
            } else {
              open.add(store.openSequence());
              model.add(new ArrayList<>());
            }
          }
        }
        case 1 -> {
          int n = 1 + random.nextInt(6);
          if (pick >= 0 && model.get(pick).size() + n <= 32) {
            try {
              append(open.get(pick), n, step);
              for (int i = 0; i < n; i++) {
                model.get(pick).add((float) step);
              }
            } catch (CacheFullException _) {
              // forks may need more pages than there are; nothing changed
            }
          }
        }
        case 2 -> {
          if (pick >= 0) {
            int keep = random.nextInt(model.get(pick).size() + 1);
            open.get(pick).truncate(keep);
            model.get(pick).subList(keep, model.get(pick).size()).clear();
          }
        }
        default -> {
          if (pick >= 0 && random.nextInt(4) == 0) {
            open.remove(pick).close();
            model.remove(pick);
          }
        }
      }
      for (int i = 0; i < open.size(); i++) {
        assertEquals(model.get(i).size(), open.get(i).length());
        for (int e = 0; e < model.get(i).size(); e++) {
          assertEquals(model.get(i).get(e) + 1, get(open.get(i), 1, e));
        }
      }
    }
    open.forEach(Sequence::close);
    assertEquals(store.pages(), store.freePages());
    assertTrue(store.openSequence().pageCount() == 0);
  }

  private static List<List<CacheStream>> layers(int count, int width) {
    return Collections.nCopies(count, List.of(new CacheStream(CacheStream.ENTRIES, width)));
  }
}
