package dev.yuzui.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class BatchIdsTest {
  @Test
  void eachIdIsKnownAgainByItsFirstLineHoweverManyThereAre() {
    BatchIds ids = new BatchIds();
    for (int i = 1; i <= 100_000; i++) {
      assertEquals(OptionalLong.empty(), ids.add("request-" + i, i));
    }
    for (int i = 1; i <= 100_000; i++) {
      assertEquals(OptionalLong.of(i), ids.add("request-" + i, 100_000 + i));
    }
    assertEquals(OptionalLong.empty(), ids.add("", 1));
    assertEquals(OptionalLong.of(1), ids.add("", 2));
  }
}
