package dev.yuzui.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class EntryChoiceTest {
  /** Entries 0 … 4; a key that is off by a hundredth moves its score by a hundredth. */
  private static final IndexScores.Row SCORES =
      new IndexScores.Row(new double[] {5, 3, 1.001, 1, -2}, new double[] {1, 1, 1, 1, 1});

  private static EntryChoice choice(float... found) {
    float[] wanted = {0, 1, 2, -1};
    return EntryChoice.of(found, wanted, 0, 4, 5, Optional.of(_ -> SCORES));
  }

  @Test
  void theSameEntriesAreTheSameChoiceInAnyOrder() {
    assertEquals(new EntryChoice(0, 3, 0), choice(0, 1, 2, -1));
    assertEquals(new EntryChoice(0, 3, 0), choice(2, 0, 1, -1));
  }

  @Test
  void aNearTieIsAsFarOffAsItsScoresAreApart() {
    EntryChoice tie = choice(0, 1, 3, -1);
    assertEquals(1, tie.missed());
    assertEquals(0.001 / 2, tie.passedOver(), 1e-12);
  }

  @Test
  void theWorstOfTheEntriesThatWerePassedOverCounts() {
    EntryChoice bad = choice(0, 3, 4, -1);
    assertEquals(2, bad.missed());
    assertEquals((3.0 - -2.0) / 2, bad.passedOver(), 1e-12);
  }

  @Test
  void anEntryOfAGreaterScoreThanTheWantedOneHasIsNoFault() {
    EntryChoice better =
        EntryChoice.of(new float[] {0, 1}, new float[] {0, 4}, 0, 2, 5, Optional.of(_ -> SCORES));
    assertEquals(new EntryChoice(1, 2, 0), better);
  }

  @Test
  void whatIsNoChoiceIsInfinitelyFarOff() {
    float[][] none = {
      {0, 1, 1, -1}, // twice
      {0, 1, -1, -1}, // too few
      {0, 1, 2, 3}, // too many
      {0, 1, 5, -1}, // not seen
      {0, 1, -2, -1}, // of another sequence
    };
    for (float[] found : none) {
      assertEquals(Double.POSITIVE_INFINITY, choice(found).passedOver());
    }
  }
}
