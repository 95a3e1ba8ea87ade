package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StripChunksTest {
  /** Of 2,048 columns in 4.6 bits: 19 KB a strip. */
  private static Packed weight(int rows) {
    int strips = Math.ceilDiv(rows, Packed.ROWS);
    return new Packed(StripType.Q4_K, 0, rows, 2048, 18_944L * strips);
  }

  @ParameterizedTest
  @CsvSource({
    "1408, 6, 1, 2",
    "1408, 64, 8, 2",
    "1408, 6, 1, 1",
    "3072, 1, 1, 16",
    "16, 3, 1, 2",
    "1408, 64, 48, 2",
    "102400, 1, 512, 4",
    "40, 5, 9, 3",
  })
  void everyStripIsInOneChunk(int rows, int matrices, int vectors, int threads) {
    Packed w = weight(rows);
    StripChunks chunks = new StripChunks(w, w.strips(), matrices, vectors, threads);
    for (int active = matrices; active >= 0; active--) {
      int count = chunks.cut(active);
      int matrix = 0;
      int next = 0;
      for (int c = 0; c < count; c++) {
        if (next == w.strips()) {
          matrix++;
          next = 0;
        }
        assertEquals(matrix, chunks.matrix(c));
        assertEquals(next, chunks.first(c));
        assertTrue(chunks.last(c) > next && chunks.last(c) <= w.strips());
        next = chunks.last(c);
      }
      assertEquals(active == 0 ? 0 : active * w.strips(), matrix * w.strips() + next);
    }
  }

  @Test
  void weightsThatPassOnceAreCutIntoEverSmallerChunks() {
    Packed w = weight(3072);
    StripChunks chunks = new StripChunks(w, w.strips(), 1, 1, 2);
    int count = chunks.cut(1);
    assertEquals(64, chunks.last(0), "a third of 192 strips");
    for (int c = 1; c < count; c++) {
      assertTrue(chunks.last(c) - chunks.first(c) <= chunks.last(c - 1) - chunks.first(c - 1));
    }
    assertEquals(4, chunks.last(count - 1) - chunks.first(count - 1));
    assertTrue(count < 16, count + " chunks");
  }

  @Test
  void noChunkIsLargerThanWhatAThreadMayHoldUp() {
    Packed w = weight(102_400);
    StripChunks chunks = new StripChunks(w, w.strips(), 1, 1, 2);
    int count = chunks.cut(1);
    for (int c = 0; c < count; c++) {
      assertTrue((chunks.last(c) - chunks.first(c)) * w.stripBytes() <= 9 << 20);
    }
  }

  @Test
  void weightsThatPassSeveralTimesAreCutEvenly() {
    Packed w = weight(10_240);
    StripChunks chunks = new StripChunks(w, w.strips(), 1, 512, 2);
    int count = chunks.cut(1);
    for (int c = 0; c < count - 1; c++) {
      assertEquals(chunks.last(0), chunks.last(c) - chunks.first(c));
      assertTrue((chunks.last(c) - chunks.first(c)) * w.stripBytes() <= 400 << 10);
    }
  }
}
