package dev.yuzui.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class PrefixReuseTest {
  private static final int PAGE = 4;
  private static final int PAGES = 8;
  private static final int[] STORY = IntStream.range(100, 118).toArray();

  private Backend backend;
  private KvCacheStore store;
  private Entries entries;

  @BeforeEach
  void open() {
    backend = new ReferenceProvider().open(BackendOptions.defaults());
    store = new KvCacheStore(_ -> backend, 2, 8, Encoding.F32, PAGE, 32, 4, PAGES);
    entries = new Entries(backend, store);
  }

  @AfterEach
  void close() {
    store.close();
    backend.close();
  }

  private void readAndClose(int... tokens) {
    try (Sequence s = store.openSequence()) {
      s.adopt(tokens);
      entries.append(s, tokens);
      s.publish(tokens);
    }
  }

  private int found(int... tokens) {
    try (Sequence s = store.openSequence()) {
      int found = s.adopt(tokens);
      assertEquals(found, s.length());
      assertTrue(entries.areOf(s, Arrays.copyOf(tokens, found)));
      return found;
    }
  }

  private static int[] changed(int[] tokens, int at) {
    int[] other = tokens.clone();
    other[at] = 7;
    return other;
  }

  @Test
  void aPromptFindsTheWholePagesThatBeginIt() {
    readAndClose(STORY);
    assertEquals(16, found(STORY));
    assertEquals(12, found(Arrays.copyOf(STORY, 15)));
    assertEquals(8, found(changed(STORY, 11)), "the third page differs");
    assertEquals(0, found(changed(STORY, 0)), "all pages depend on the first token");
    assertEquals(0, found(Arrays.copyOfRange(STORY, 4, 18)), "a page belongs to its place");
  }

  @Test
  void oneTokenIsLeftToBeRead() {
    readAndClose(STORY);
    assertEquals(12, found(Arrays.copyOf(STORY, 16)));
    assertEquals(16, found(Arrays.copyOf(STORY, 17)));
    assertEquals(0, found(STORY[0]));
    assertEquals(0, found());
  }

  @Test
  void pagesInUseAreFoundToo() {
    try (Sequence writer = store.openSequence()) {
      entries.append(writer, STORY);
      assertEquals(0, found(STORY), "not published yet");
      writer.publish(STORY);
      int free = store.freePages();
      try (Sequence reader = store.openSequence()) {
        assertEquals(16, reader.adopt(STORY));
        assertEquals(free, store.freePages(), "sharing takes no page");
        int[] longer = Arrays.copyOf(STORY, 22);
        entries.append(reader, longer);
        assertTrue(entries.areOf(reader, longer));
      }
      assertTrue(entries.areOf(writer, STORY));
    }
  }

  @Test
  void pagesThatWaitToBeFoundCountAsFree() {
    readAndClose(STORY);
    assertEquals(PAGES, store.freePages());
    assertEquals(4, store.prefixPages());
    try (Sequence s = store.openSequence()) {
      s.adopt(STORY);
      assertEquals(PAGES - 4, store.freePages());
      assertEquals(0, store.prefixPages());
    }
  }

  @Test
  void whatWasReleasedLongestAgoGivesWayFirstAndEndsBeforeBeginnings() {
    int[] a = IntStream.range(0, 16).toArray();
    int[] b = IntStream.range(50, 66).toArray();
    readAndClose(a);
    readAndClose(b);
    assertEquals(12, found(a), "a is the younger now, but for its last page");
    try (Sequence s = store.openSequence()) {
      s.reserve(PAGE);
      assertEquals(12, found(a));
      assertEquals(12, found(b));
    }
    // b's three first pages were just used: a's are the oldest, and of them the third
    try (Sequence s = store.openSequence()) {
      s.reserve(PAGE * 2);
      assertEquals(12, found(a));
    }
    try (Sequence s = store.openSequence()) {
      s.reserve(PAGE * 5);
      assertEquals(12, found(a));
      assertEquals(0, found(b));
    }
    assertEquals(5, store.prefixStats().evictedPages());
  }

  @Test
  void allPagesCanBeHadWhenNobodyHoldsThem() {
    readAndClose(STORY);
    try (Sequence s = store.openSequence()) {
      s.reserve(PAGE * PAGES);
      assertThrows(CacheFullException.class, () -> store.openSequence().reserve(1));
    }
    assertEquals(0, found(STORY));
    assertEquals(PAGES, store.freePages());
  }

  @Test
  void anEqualPageThatCanBeFoundStays() {
    try (Sequence first = store.openSequence();
        Sequence second = store.openSequence()) {
      int[] page = Arrays.copyOf(STORY, PAGE);
      entries.append(first, page);
      entries.append(second, page);
      first.publish(page);
      second.publish(page);
      try (Sequence third = store.openSequence()) {
        third.adopt(STORY);
        assertEquals(first.page(0), third.page(0));
        assertNotEquals(second.page(0), third.page(0));
      }
    }
    assertEquals(1, store.prefixPages());
  }

  @Test
  void aRollbackIntoAPublishedPageThatNobodySharesTakesItBack() {
    try (Sequence s = store.openSequence()) {
      entries.append(s, STORY);
      s.publish(STORY);
      s.truncate(6);
      assertEquals(16, found(STORY), "nothing is written yet");
      int page = s.page(1);
      int[] other = Arrays.copyOf(changed(STORY, 6), 9);
      entries.append(s, other);
      assertEquals(page, s.page(1), "its own page is written");
      assertEquals(4, found(STORY));
      s.publish(other);
      assertEquals(8, found(other));
      assertTrue(entries.areOf(s, other));
    }
  }

  @Test
  void aRollbackIntoASharedPageCopiesIt() {
    readAndClose(STORY);
    try (Sequence a = store.openSequence();
        Sequence b = store.openSequence()) {
      a.adopt(STORY);
      b.adopt(STORY);
      a.truncate(6);
      int[] other = Arrays.copyOf(changed(STORY, 6), 9);
      entries.append(a, other);
      assertTrue(entries.areOf(a, other));
      assertTrue(entries.areOf(b, Arrays.copyOf(STORY, 16)));
      assertEquals(16, found(STORY));
      a.publish(other);
      assertEquals(8, found(other));
    }
  }

  @Test
  void aForkPublishesItsOwnContinuation() {
    int[] other = changed(STORY, 9);
    try (Sequence s = store.openSequence()) {
      entries.append(s, Arrays.copyOf(STORY, 9));
      s.publish(STORY);
      try (Sequence fork = s.fork()) {
        entries.append(fork, other);
        fork.publish(other);
        entries.append(s, STORY);
        s.publish(STORY);
      }
    }
    assertEquals(16, found(STORY));
    assertEquals(16, found(other));
  }

  @Test
  void nothingIsFoundOnceItIsForgotten() {
    readAndClose(STORY);
    try (Sequence s = store.openSequence()) {
      s.adopt(STORY);
      store.forgetPrefixes();
      assertEquals(0, found(STORY));
      assertTrue(entries.areOf(s, Arrays.copyOf(STORY, 16)));
    }
    assertEquals(PAGES, store.freePages());
  }

  @Test
  void queriesAndFindsAreCountedInTokens() {
    readAndClose(STORY);
    found(STORY);
    found(changed(STORY, 9));
    assertEquals(new PrefixStats(3 * 18, 16 + 8, 0), store.prefixStats());
  }

  @Test
  void misuseIsRefused() {
    try (Sequence s = store.openSequence()) {
      entries.append(s, STORY);
      assertThrows(IllegalStateException.class, () -> s.adopt(STORY));
      assertThrows(IllegalArgumentException.class, () -> s.publish(Arrays.copyOf(STORY, 3)));
    }
  }
}
