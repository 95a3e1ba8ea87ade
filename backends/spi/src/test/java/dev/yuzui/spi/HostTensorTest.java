package dev.yuzui.spi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class HostTensorTest {
  private final Arena arena = Arena.ofConfined();

  @AfterEach
  void close() {
    arena.close();
  }

  private HostTensor repeating(long bytes, long from) {
    MemorySegment pool = arena.allocate(bytes);
    for (int i = 0; i < bytes; i++) {
      pool.set(ValueLayout.JAVA_BYTE, i, (byte) i);
    }
    return new HostTensor(
        "w", new Encoding.Q8_0(), 3, 64, pool, Optional.empty(), OptionalLong.of(from));
  }

  @Test
  void aRepeatedPoolIsReadRoundAndRound() {
    HostTensor w = repeating(2 * 34, 34);
    assertEquals(3 * 2 * 34, w.byteSize());
    HostTensor whole = w.writtenOut(arena.allocate(w.byteSize()));
    assertTrue(whole.repeatsFrom().isEmpty());
    for (int i = 0; i < w.byteSize(); i++) {
      assertEquals((34 + i) % 68, whole.data().get(ValueLayout.JAVA_BYTE, i));
    }
  }

  @Test
  void aPoolIsWholeBlocks() {
    assertThrows(IllegalArgumentException.class, () -> repeating(2 * 34, 17));
    assertThrows(IllegalArgumentException.class, () -> repeating(2 * 34, 68));
    assertThrows(IllegalArgumentException.class, () -> repeating(2 * 34 + 1, 0));
  }
}
