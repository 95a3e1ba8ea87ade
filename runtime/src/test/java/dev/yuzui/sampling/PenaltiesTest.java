package dev.yuzui.sampling;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.yuzui.sampling.SamplingParams.Counted;
import dev.yuzui.sampling.SamplingParams.Dry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What a text so far does to the logits: repetition, presence, frequency, DRY. */
class PenaltiesTest {
  /** Everything off: draws from the plain softmax. */
  private static final SamplingParams PLAIN =
      SamplingParams.DEFAULT.withTemperature(1).withTopK(0).withTopP(1).withMinP(0).withSeed(42);

  @Test
  void penaltiesChangeLogitsByTheirFormula() {
    // repeat 2: positive halves, negative doubles; then 0.5 once and 0.25 per occurrence
    SamplingParams params = PLAIN.withPenalties(2, 4, 0.5, 0.25);
    float[] logits = {4, -1, 3, 7};
    penalise(params, logits, 3, 0, 1, 0, 2); // the 3 lies before the window of 4
    assertArrayEquals(new float[] {4 / 2f - 1, -2 - 0.75f, 3 / 2f - 0.75f, 7}, logits);
  }

  @Test
  void generatedTokensAloneAreCountedAndAllOfThem() {
    // 0 1 1 is the prompt; of 0 2 2 3 2 the window of 2 holds 3 2. presence 0.5, frequency 0.25
    SamplingParams params = PLAIN.withPenalties(1, 2, 0.5, 0.25).withCounted(Counted.GENERATED);
    float[] logits = {4, -1, 3, 7};
    penalise(params, logits, 3, new int[] {0, 1, 1, 0, 2, 2, 3, 2});
    assertArrayEquals(new float[] {4 - 0.75f, -1, 3 - 1.25f, 7 - 0.75f}, logits);
  }

  @Test
  void theRepeatPenaltyLooksAtThePromptToo() {
    // 0 1 is the prompt, 1 2 the answer: 0, 1 and 2 by the factor 2, then 1 and 2 by 1 more each
    SamplingParams params = PLAIN.withPenalties(2, -1, 0.5, 0.5).withCounted(Counted.GENERATED);
    float[] logits = {4, -1, 3, 7};
    penalise(params, logits, 2, new int[] {0, 1, 1, 2});
    assertArrayEquals(new float[] {2, -2 - 1, 1.5f - 1, 7}, logits);
  }

  @Test
  void withoutAWindowOnlyGeneratedTokensCount() {
    SamplingParams params = PLAIN.withPenalties(2, 0, 1, 0).withCounted(Counted.GENERATED);
    float[] logits = {4, 4, 4, 4};
    penalise(params, logits, 1, new int[] {0, 1});
    assertArrayEquals(new float[] {4, 3, 4, 4}, logits);
    float[] untouched = {4, 4, 4, 4};
    penalise(params.withCounted(Counted.WINDOW), untouched, 1, new int[] {0, 1});
    assertArrayEquals(new float[] {4, 4, 4, 4}, untouched);
  }

  @Test
  void aPromptIsFreeToBeSaidOnce() {
    SamplingParams params =
        SamplingParams.GREEDY.withPenalties(1, 64, 9, 0).withCounted(Counted.GENERATED);
    Sampler sampler = new Sampler(params, 3, new int[] {1, 1});
    float[] row = {1, 9, 5};
    assertEquals(1, sampler.sample(row));
    sampler.accept(1);
    assertEquals(2, sampler.sample(row));
    assertEquals(2, sampler.fork(0).sample(row), "a fork has counted the same");
    sampler.accept(2);
    assertEquals(0, sampler.sample(row));
  }

  @Test
  void tokensLeaveTheWindowAsOthersEnterIt() {
    Sampler sampler = new Sampler(PLAIN.withPenalties(1, 3, 100, 0), 6, new int[] {5, 4});
    SplittableRandom random = new SplittableRandom(3);
    List<Integer> history = new ArrayList<>(List.of(5, 4));
    float[] flat = new float[6];
    for (int i = 0; i < 200; i++) {
      List<Integer> window = history.subList(Math.max(0, history.size() - 3), history.size());
      assertFalse(window.contains(sampler.sample(flat)), history::toString);
      int token = random.nextInt(6);
      history.add(token);
      sampler.accept(token);
    }
  }

  @Test
  void dryPunishesTheTokenThatWouldLengthenARepetition() {
    // … 1 2 3 4 … 1 2 3 → 4 would make the repetition 3 long: 1·2^(3−2); 5 after one 3: too short
    Dry dry = new Dry(1, 2, 2, -1, Set.of());
    float[] logits = new float[10];
    penalise(PLAIN.withDry(dry), logits, 3, 5, 1, 2, 3, 4, 9, 1, 2, 3);
    assertArrayEquals(new float[] {0, 0, 0, 0, -2, 0, 0, 0, 0, 0}, logits);
  }

  @Test
  void dryStopsAtBreakersAndSparesThem() {
    float[] logits = new float[10];
    penalise(PLAIN.withDry(new Dry(1, 2, 2, -1, Set.of(1))), logits, 1, 2, 3, 4, 9, 1, 2, 3);
    assertArrayEquals(new float[] {0, 0, 0, 0, -1, 0, 0, 0, 0, 0}, logits); // 2 3: length 2

    float[] spared = new float[10];
    penalise(PLAIN.withDry(new Dry(1, 2, 2, -1, Set.of(4))), spared, 1, 2, 3, 4, 9, 1, 2, 3);
    assertArrayEquals(new float[10], spared);
  }

  @Test
  void dryLooksBackNoFartherThanItsWindow() {
    float[] logits = new float[10];
    penalise(PLAIN.withDry(new Dry(1, 2, 2, 7, Set.of())), logits, 1, 2, 3, 4, 9, 1, 2, 3);
    assertArrayEquals(new float[] {0, 0, 0, 0, -1, 0, 0, 0, 0, 0}, logits); // the first 1 is out
  }

  /** Of texts of few different tokens, some of them breakers, some outside the vocabulary. */
  @Test
  void dryFindsWhatComparingEveryPlaceFinds() {
    SplittableRandom random = new SplittableRandom(1);
    for (int round = 0; round < 2000; round++) {
      int kinds = 1 + random.nextInt(6);
      int[] text = IntStream.range(0, random.nextInt(40)).map(_ -> random.nextInt(kinds)).toArray();
      Set<Integer> breakers = random.nextBoolean() ? Set.of() : Set.of(3);
      Dry dry = new Dry(1, 2, 1 + random.nextInt(3), random.nextInt(-1, 30), breakers);
      float[] logits = new float[4];
      penalise(PLAIN.withDry(dry), logits, text);
      float[] expected = new float[4];
      for (int id = 0; id < 4; id++) {
        int longest = longestRepetition(text, id, dry);
        expected[id] =
            longest < dry.allowedLength() || breakers.contains(id)
                ? 0
                : (float) -Math.pow(2, longest - dry.allowedLength());
      }
      assertArrayEquals(expected, logits, dry + ": " + Arrays.toString(text));
    }
  }

  /** How long a repetition at the end of the text would go on with {@code next}. */
  private static int longestRepetition(int[] text, int next, Dry dry) {
    int from = dry.lastN() < 0 ? 0 : Math.max(0, text.length - dry.lastN());
    int longest = 0;
    for (int at = from; at < text.length; at++) {
      int n = 0;
      while (at - 1 - n >= from
          && text[at - 1 - n] == text[text.length - 1 - n]
          && !dry.breakers().contains(text[text.length - 1 - n])) {
        n++;
      }
      longest = text[at] == next ? Math.max(longest, n) : longest;
    }
    return longest;
  }

  @Test
  void dryOfAGrowingTextIsThatOfTheWholeText() {
    SplittableRandom random = new SplittableRandom(2);
    int[] text = IntStream.range(0, 64).map(_ -> random.nextInt(3)).toArray();
    SamplingParams params = PLAIN.withDry(new Dry(1, 2, 1, -1, Set.of()));
    RepeatPenalties growing = new RepeatPenalties(params, 3, text, 0, 0);
    for (int length = 1; length <= text.length; length++) {
      growing.accept(text, length);
      float[] logits = new float[3];
      growing.apply(logits, text, length);
      float[] whole = new float[3];
      new RepeatPenalties(params, 3, text, 0, length).apply(whole, text, length);
      assertArrayEquals(whole, logits);
    }
  }

  @Test
  void dryIsQuickOnEndlessRepetition() {
    int[] same = new int[100_000];
    float[] logits = new float[4];
    penalise(PLAIN.withDry(new Dry(1, 2, 2, -1, Set.of())), logits, same);
    assertEquals(-Float.MAX_VALUE, logits[0]);
    assertEquals(0, logits[1]);
  }

  private static void penalise(SamplingParams params, float[] logits, int... history) {
    penalise(params, logits, 0, history);
  }

  private static void penalise(
      SamplingParams params, float[] logits, int promptLength, int[] history) {
    int n = history.length;
    float[] known = logits.clone();
    new RepeatPenalties(params, logits.length, history, promptLength, n).apply(known, history, n);
    // counted at once, or one after the other as they are drawn
    RepeatPenalties drawing =
        new RepeatPenalties(params, logits.length, history, promptLength, promptLength);
    for (int length = promptLength + 1; length <= n; length++) {
      drawing.accept(history, length);
    }
    drawing.apply(logits, history, n);
    assertArrayEquals(known, logits);
  }
}
