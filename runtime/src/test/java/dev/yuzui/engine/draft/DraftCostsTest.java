package dev.yuzui.engine.draft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.engine.api.StepTimes;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** One guess for each sequence. */
class DraftCostsTest {
  private final DraftCosts costs = new DraftCosts(1, 64);

  private void learn(int writing, long plain, long checking, long drafting) {
    for (int i = 0; i < 20; i++) {
      costs.stepTook(writing, plain);
      costs.stepTook(2 * writing, checking);
      costs.draftingTook(writing, drafting);
    }
  }

  private void accept(double rate) {
    for (int i = 0; i < 1000; i++) {
      costs.checked(37 * i % 100 < 100 * rate ? 1 : 0);
    }
  }

  private boolean guess(int sequences) {
    return costs.guess(sequences, sequences);
  }

  /** Of so many steps, those that did what the costs do not say. */
  private long probes(int steps, boolean pays) {
    return IntStream.range(0, steps).filter(i -> guess(4) != pays).count();
  }

  @Test
  void whatIsNotKnownIsTried() {
    assertTrue(guess(4));
    costs.stepTook(4, 1000);
    assertTrue(guess(4));
  }

  @Test
  void whatTakesAsLongIsGuessed() {
    costs.stepTook(4, 1000);
    costs.stepTook(8, 2000);
    assertTrue(guess(4), "2 tokens in 2 steps");
    costs.stepTook(8, 2100);
    assertFalse(guess(4));
  }

  @Test
  void severalGuessWhileThatMakesMoreTokensInTheSameTime() {
    accept(0.8);
    learn(4, 1000, 1500, 250);
    assertTrue(guess(4), "1.8 tokens in 1.75 steps");
    learn(4, 1000, 1500, 350);
    assertFalse(guess(4), "1.8 tokens in 1.85 steps");
  }

  @Test
  void theEntriesWrittenWithoutGuessesCountAgainstNotGuessing() {
    accept(0.8);
    learn(4, 1000, 1500, 350);
    costs.keepingTook(4, 50);
    assertTrue(guess(4), "1.8 times 1.05 steps against 1.85");
  }

  @Test
  void guessesThatAreWrongDoNotPay() {
    learn(4, 1000, 1500, 250);
    accept(0.3);
    assertFalse(guess(4));
  }

  @Test
  void whereFewOfThoseThatRunMayGuessItIsTheirTokensThatCount() {
    accept(0.8);
    learn(4, 1000, 1500, 100);
    costs.stepTook(5, 1300);
    costs.draftingTook(1, 50);
    assertFalse(costs.guess(4, 1), "1.2 tokens in 1.35 steps");
  }

  /** Of two sequences, whose guesses would take 4 rows of a step that has 3. */
  @Test
  void whatAStepHasNoRoomForIsNotGained() {
    DraftCosts narrow = new DraftCosts(1, 3);
    IntStream.range(0, 1000).forEach(_ -> narrow.checked(1));
    for (int i = 0; i < 20; i++) {
      narrow.stepTook(2, 1000);
      narrow.stepTook(3, 1400);
    }
    assertTrue(narrow.guess(2, 2), "3 tokens in 1.4 steps");
    IntStream.range(0, 100).forEach(_ -> narrow.stepTook(3, 1600));
    assertFalse(narrow.guess(2, 2), "3 tokens in 1.6 steps: not the 4 of both guesses");
    for (int i = 0; i < 2 * DraftCosts.LATEST_PROBE; i++) {
      assertFalse(narrow.guess(3, 3), "no room for a guess, and so nothing to learn from one");
    }
  }

  @Test
  void aLoneSequenceAlwaysGuesses() {
    accept(0);
    learn(1, 1000, 9000, 9000);
    assertTrue(guess(1));
  }

  @Test
  void nowAndThenAStepDoesTheOppositeRarelierTheLongerTheCostsWereRight() {
    accept(0.8);
    learn(4, 1000, 2000, 250);
    assertFalse(guess(4));
    int[] probes = IntStream.range(2, 6000).filter(_ -> guess(4)).toArray(); // the second on
    List<Integer> gaps =
        IntStream.range(0, probes.length)
            .mapToObj(i -> probes[i] - (i == 0 ? 0 : probes[i - 1]))
            .toList();
    assertEquals(List.of(32, 64, 128, 256, 512, 1024, 1024, 1024, 1024), gaps);
  }

  @Test
  void ofSeveralGuessesAllAreCheckedAndTheRightOnesCount() {
    DraftCosts three = new DraftCosts(3, 64);
    IntStream.range(0, 1000).forEach(_ -> three.checked(2));
    for (int i = 0; i < 20; i++) {
      three.stepTook(4, 1000);
      three.stepTook(4 + 4 * 3, 2500);
      three.draftingTook(4, 400);
    }
    assertTrue(three.guess(4, 4), "3 tokens in 2.9 steps");
    IntStream.range(0, 40).forEach(_ -> three.draftingTook(4, 600));
    assertFalse(three.guess(4, 4), "3 tokens in 3.1 steps");
  }

  @Test
  void timesAreThoseOfALoneSequence() {
    DraftCosts three = new DraftCosts(3, 64);
    three.stepTook(1, 10);
    three.stepTook(2, 15);
    three.stepTook(4, 25);
    three.draftingTook(1, 7);
    three.draftingTook(2, 9);
    assertEquals(
        new StepTimes(
            new StepTimes.Kind(1, 10), new StepTimes.Kind(2, 40), new StepTimes.Kind(1, 7)),
        three.times(),
        "with guesses: of two tokens and of four");
  }

  @Test
  void itGuessesAgainWhenThatPaysAgain() {
    accept(0.8);
    learn(4, 1000, 2000, 250);
    IntStream.range(0, 500).forEach(_ -> guess(4)); // so that probes are rare
    assertFalse(guess(4));
    learn(4, 1000, 1400, 250);
    assertTrue(guess(4));
    assertEquals(1, probes(DraftCosts.SOONEST_PROBE, true), "and looks soon whether it still does");
  }
}
