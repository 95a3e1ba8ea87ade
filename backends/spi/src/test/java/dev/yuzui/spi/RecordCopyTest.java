package dev.yuzui.spi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class RecordCopyTest {
  private record Range(int from, int to, String unit) {
    private Range {
      if (from > to) {
        throw new IllegalArgumentException("from above to");
      }
    }
  }

  private static final Range RANGE = new Range(1, 5, "tokens");

  @Test
  void oneComponentIsAnotherAndTheRestStays() {
    assertEquals(new Range(1, 7, "tokens"), RecordCopy.with(RANGE, "to", 7));
    assertEquals(new Range(1, 5, "pages"), RecordCopy.with(RANGE, "unit", "pages"));
    assertEquals(new Range(1, 5, "tokens"), RANGE);
  }

  @Test
  void theConstructorChecksACopy() {
    var e = assertThrows(IllegalArgumentException.class, () -> RecordCopy.with(RANGE, "from", 6));
    assertEquals("from above to", e.getMessage());
  }

  @Test
  void aNameThatIsNoComponentIsRefused() {
    var e = assertThrows(IllegalArgumentException.class, () -> RecordCopy.with(RANGE, "step", 6));
    assertEquals("Range has no component step", e.getMessage());
  }
}
