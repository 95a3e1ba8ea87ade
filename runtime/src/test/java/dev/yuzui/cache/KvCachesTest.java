package dev.yuzui.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Where sequences go when several ranks have a cache each. */
class KvCachesTest {
  private static final int[] TEXT = IntStream.range(0, 9).toArray();

  private final Backend backend = new ReferenceProvider().open(BackendOptions.defaults());
  private final KvCaches caches = new KvCaches(Stream.generate(this::store).limit(3).toList());

  /** Two sequences of two pages of four entries. */
  private KvCacheStore store() {
    return new KvCacheStore(backend, 1, 8, Encoding.F32, 4, 8, 2);
  }

  @AfterEach
  void close() {
    caches.close();
    backend.close(); // which says so if a buffer is still open
  }

  private static Sequence with(Sequence sequence, int entries) {
    sequence.reserve(entries);
    sequence.advance(entries);
    return sequence;
  }

  private int rankOfNext(int... tokens) {
    try (Sequence sequence = caches.openSequence(tokens)) {
      return caches.rankOf(sequence);
    }
  }

  @Test
  void aSequenceGoesWhereMostPagesAreFreeAndOfEqualsToTheFirst() {
    assertEquals(0, rankOfNext());
    Sequence first = with(caches.openSequence(), 1);
    assertEquals(0, caches.rankOf(first));
    assertEquals(1, rankOfNext());
    with(caches.openSequence(), 5);
    assertEquals(2, rankOfNext());
    with(caches.openSequence(), 1);
    assertEquals(0, rankOfNext(), "3 of 4 pages are free in the first and the third");
    first.close();
    assertEquals(0, rankOfNext());
  }

  @Test
  void aSequenceGoesWhereMostOfItsTextIsHoweverFewPagesAreFree() {
    try (Sequence some = with(caches.rank(1).openSequence(), 4);
        Sequence most = with(caches.rank(2).openSequence(), 8)) {
      some.publish(TEXT);
      most.publish(TEXT);
      assertEquals(2, rankOfNext(TEXT));
      assertEquals(2, rankOfNext(IntStream.range(0, 100).toArray()));
      // one token is left to be read, so that eight tokens find one page; then free pages decide
      assertEquals(1, rankOfNext(IntStream.range(0, 8).toArray()));
      assertEquals(0, rankOfNext(IntStream.range(0, 4).toArray()));
      assertEquals(0, rankOfNext(9, 1, 2, 3, 4, 5, 6, 7, 8), "another text");
    }
  }

  @Test
  void aRankWhoseSequencesAreAllOpenIsPassedOver() {
    Sequence here = with(caches.rank(0).openSequence(), 8);
    here.publish(TEXT);
    assertEquals(0, rankOfNext(TEXT));
    caches.rank(0).openSequence();
    assertEquals(2, caches.rank(0).openSequences());
    assertEquals(1, rankOfNext(TEXT));
    for (int i = 0; i < 4; i++) {
      caches.openSequence();
    }
    String message = assertThrows(CacheFullException.class, caches::openSequence).getMessage();
    assertEquals("all 2 sequences of the KV cache are open; close one first", message);
  }

  @Test
  void aLostRankHasNothingAnyMore() {
    assertEquals(List.of(6, 12, 12), sizes());
    with(caches.rank(1).openSequence(), 1);
    assertEquals(List.of(6, 11, 12), sizes());
    caches.lose(0);
    assertTrue(caches.isLost(0));
    assertFalse(caches.isLost(1));
    assertEquals(List.of(4, 7, 8), sizes());
    assertEquals(2, rankOfNext());
    caches.lose(2);
    assertEquals(1, rankOfNext());
    assertTrue(caches.usable());
    caches.lose(1);
    assertFalse(caches.usable());
    String message = assertThrows(CacheFullException.class, caches::openSequence).getMessage();
    assertEquals("every device that held sequences failed", message);
  }

  private List<Integer> sizes() {
    return List.of(caches.maxSequences(), caches.freePages(), caches.pages());
  }

  @Test
  void whatWasFoundIsTheSumOfAllRanks() {
    for (int rank = 0; rank < 3; rank++) {
      try (Sequence sequence = with(caches.rank(rank).openSequence(), 4 * (1 + rank % 2))) {
        sequence.publish(TEXT);
      }
      try (Sequence sequence = caches.rank(rank).openSequence()) {
        sequence.adopt(TEXT);
      }
    }
    for (int rank = 1; rank < 3; rank++) { // takes all pages, those that could be found too
      with(caches.rank(rank).openSequence(), 8);
      with(caches.rank(rank).openSequence(), 8);
    }
    assertEquals(new PrefixStats(3 * 9, 4 + 8 + 4, 2 + 1), caches.prefixStats());
  }

  @Test
  void aLoneRankIsAskedItself() {
    try (KvCaches one = new KvCaches(List.of(store()))) {
      assertEquals(0, one.rankOf(one.openSequence(TEXT)));
      assertEquals(0, one.rankOf(one.openSequence()));
      String message = assertThrows(CacheFullException.class, one::openSequence).getMessage();
      assertEquals("all 2 sequences of the KV cache are open; close one first", message);
    }
  }

  @Test
  void allRanksAreFilled() {
    caches.fill();
    for (int rank = 0; rank < 3; rank++) {
      Tensor entries = caches.rank(rank).layer(0).entries().slice("entries", 15, 1);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment numbers = arena.allocate(entries.byteSize(), 4);
        backend.read(entries, numbers);
        assertTrue(numbers.getAtIndex(ValueLayout.JAVA_FLOAT, 7) != 0);
      }
    }
  }

  @Test
  void aStoreThatCannotBeMadeLeavesNoBufferOpen() {
    long[] left = {2};
    assertThrows(
        BackendException.class,
        () ->
            new KvCacheStore(
                _ -> {
                  if (left[0]-- == 0) {
                    throw new BackendException("no memory", "buy some");
                  }
                  return backend;
                },
                3,
                8,
                Encoding.F32,
                4,
                8,
                1,
                2));
  }
}
