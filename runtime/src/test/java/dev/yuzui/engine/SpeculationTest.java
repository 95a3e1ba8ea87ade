package dev.yuzui.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.api.Speculation.Drafts;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class SpeculationTest {
  @Test
  void halfOfALargeVocabularyIsGuessedAmong() {
    Speculation usual = new Speculation(Drafts.MTP, 1, 0);
    assertEquals(64640, usual.vocabulary(129280));
    assertEquals(2048, usual.vocabulary(4096));
    assertEquals(4095, usual.vocabulary(4095));
  }

  @Test
  void asManyTokensAsWantedAreGuessedAmong() {
    Speculation some = new Speculation(Drafts.MTP, 1, 0, OptionalInt.of(5000));
    assertEquals(5000, some.vocabulary(129280));
    assertEquals(4096, some.vocabulary(4096));
    OptionalInt none = OptionalInt.of(0);
    assertThrows(IllegalArgumentException.class, () -> new Speculation(Drafts.MTP, 1, 0, none));
  }
}
