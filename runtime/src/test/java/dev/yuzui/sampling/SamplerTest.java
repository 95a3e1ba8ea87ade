package dev.yuzui.sampling;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.sampling.SamplingParams.Counted;
import dev.yuzui.sampling.SamplingParams.Dry;
import dev.yuzui.sampling.SamplingParams.Penalties;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SamplerTest {
  private static final float NO = Float.NEGATIVE_INFINITY;

  /** Everything off: draws from the plain softmax. */
  private static final SamplingParams PLAIN =
      SamplingParams.DEFAULT.withTemperature(1).withTopK(0).withTopP(1).withMinP(0).withSeed(42);

  /** Draws of known probability, and what the chi-square of 20000 draws stays below (p = 0.001). */
  static Stream<Arguments> distributions() {
    float[] logits = {(float) Math.log(5), (float) Math.log(3), 0, (float) Math.log(1)};
    return Stream.of(
        Arguments.of("softmax", PLAIN, logits, new double[] {.5, .3, .1, .1}),
        Arguments.of(
            "temperature 0.5 squares",
            PLAIN.withTemperature(0.5),
            logits,
            new double[] {25 / 36., 9 / 36., 1 / 36., 1 / 36.}),
        Arguments.of("top-k 2", PLAIN.withTopK(2), logits, new double[] {5 / 8., 3 / 8., 0, 0}),
        Arguments.of(
            "top-p 0.85 takes the lower of two equal ids",
            PLAIN.withTopP(0.85),
            logits,
            new double[] {5 / 9., 3 / 9., 1 / 9., 0}),
        Arguments.of("min-p 0.5", PLAIN.withMinP(0.5), logits, new double[] {5 / 8., 3 / 8., 0, 0}),
        Arguments.of(
            "typical 0.6: entropy 1.168, surprises .69 1.2 2.3 2.3",
            PLAIN.withTypicalP(0.6),
            logits,
            new double[] {5 / 8., 3 / 8., 0, 0}),
        Arguments.of(
            "filters look before temperature",
            PLAIN.withMinP(0.5).withTemperature(0.5),
            logits,
            new double[] {25 / 34., 9 / 34., 0, 0}),
        Arguments.of(
            "logit bias",
            PLAIN.withLogitBias(Map.of(0, NO, 2, (float) Math.log(4))),
            logits,
            new double[] {0, 3 / 8., 4 / 8., 1 / 8.}));
  }

  /**
   * Each pair of filters, where the other order would leave other tokens: top-k, typical, top-p,
   * min-p, temperature, as llama.cpp has them by default, each looking at what the one before it
   * left as if that were all. (Top-k and min-p keep the same in either order.)
   */
  static Stream<Arguments> pairsOfFilters() {
    float[] logits = {(float) Math.log(4), (float) Math.log(3), (float) Math.log(2), 0};
    // of all four: entropy 1.280, surprises .916 1.204 1.609 2.303, so that typical .45 keeps the
    // two in the middle; of the two best: entropy .683, surprises .560 .847
    return Stream.of(
        Arguments.of(
            "top-k, then typical: 4/7 is nearer the entropy and reaches .45",
            PLAIN.withTopK(2).withTypicalP(0.45),
            logits,
            new double[] {1, 0, 0, 0}),
        Arguments.of(
            "top-k, then top-p: 4/7 reaches .5, 4/10 does not",
            PLAIN.withTopK(2).withTopP(0.5),
            logits,
            new double[] {1, 0, 0, 0}),
        Arguments.of(
            "top-k beside a wider min-p",
            PLAIN.withTopK(2).withMinP(0.3),
            logits,
            new double[] {4 / 7., 3 / 7., 0, 0}),
        Arguments.of(
            "min-p beside a wider top-k",
            PLAIN.withTopK(3).withMinP(0.6),
            logits,
            new double[] {4 / 7., 3 / 7., 0, 0}),
        Arguments.of(
            "typical, then top-p: 3/5 reaches .55",
            PLAIN.withTypicalP(0.45).withTopP(0.55),
            logits,
            new double[] {0, 1, 0, 0}),
        Arguments.of(
            "typical, then min-p: 2 is more than .6 of 3",
            PLAIN.withTypicalP(0.45).withMinP(0.6),
            logits,
            new double[] {0, 3 / 5., 2 / 5., 0}),
        Arguments.of(
            "top-p, then min-p: 4/10 does not reach .5, 4/7 would",
            PLAIN.withTopP(0.5).withMinP(0.6),
            logits,
            new double[] {4 / 7., 3 / 7., 0, 0}),
        Arguments.of(
            "typical, then temperature, at which the best would be nearer the entropy",
            PLAIN.withTypicalP(0.45).withTemperature(0.5),
            logits,
            new double[] {0, 9 / 13., 4 / 13., 0}),
        Arguments.of(
            "top-p, then temperature, at which the best would reach .5",
            PLAIN.withTopP(0.5).withTemperature(0.5),
            logits,
            new double[] {16 / 25., 9 / 25., 0, 0}),
        Arguments.of(
            "min-p, then temperature, at which 9/16 would be too little",
            PLAIN.withMinP(0.6).withTemperature(0.5),
            logits,
            new double[] {16 / 25., 9 / 25., 0, 0}),
        Arguments.of(
            "bias, then top-k",
            PLAIN.withTopK(2).withLogitBias(Map.of(3, (float) Math.log(8))),
            logits,
            new double[] {4 / 12., 0, 0, 8 / 12.}));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource({"distributions", "pairsOfFilters"})
  void drawsFollowTheDistribution(
      String name, SamplingParams params, float[] logits, double[] expected) {
    Sampler sampler = new Sampler(params, logits.length, new int[0]);
    int draws = 20_000;
    int[] seen = new int[logits.length];
    for (int i = 0; i < draws; i++) {
      seen[sampler.sample(logits)]++;
    }
    double chiSquare = 0;
    for (int id = 0; id < expected.length; id++) {
      if (expected[id] == 0) {
        assertEquals(0, seen[id], "token " + id);
      } else {
        chiSquare += Math.pow(seen[id] - draws * expected[id], 2) / (draws * expected[id]);
      }
    }
    assertTrue(chiSquare < 16.27, "chi-square " + chiSquare); // 3 degrees of freedom
  }

  @Test
  void penaltiesComeBeforeFilters() {
    // the best of 4, 3, 2, 1 becomes the worst, and top-k 2 keeps two others
    SamplingParams params = PLAIN.withTopK(2).withPenalties(1, -1, Math.log(8), 0);
    Sampler sampler = new Sampler(params, 4, new int[0]);
    sampler.accept(0);
    int[] seen = new int[4];
    for (int i = 0; i < 100; i++) {
      seen[
          sampler.sample(
              new float[] {(float) Math.log(4), (float) Math.log(3), (float) Math.log(2), 0})]++;
    }
    assertEquals(100, seen[1] + seen[2]);
    assertTrue(seen[1] > 0 && seen[2] > 0);
  }

  @Test
  void temperatureZeroTakesTheBestAndTheLowerIdOfTwo() {
    assertEquals(1, greedy(1, 3, 3, 2));
    assertEquals(2, greedy(NO, NO, -5, NO));
  }

  @Test
  void biasAndPenaltiesApplyAtTemperatureZero() {
    SamplingParams biased = SamplingParams.GREEDY.withLogitBias(Map.of(0, 5f, 1, NO));
    assertEquals(0, new Sampler(biased, 3, new int[0]).sample(new float[] {1, 9, 5}));

    SamplingParams penalised = SamplingParams.GREEDY.withPenalties(2, -1, 0, 0);
    assertEquals(2, new Sampler(penalised, 3, new int[] {1}).sample(new float[] {1, 9, 5}));
  }

  @Test
  void theSameSeedDrawsTheSame() {
    assertArrayEquals(draws(PLAIN.withSeed(7)), draws(PLAIN.withSeed(7)));
    assertNotEquals(
        IntStream.of(draws(PLAIN.withSeed(7))).boxed().toList(),
        IntStream.of(draws(PLAIN.withSeed(8))).boxed().toList());
    // SplitMix64 of seed 7, whatever machine this runs on
    assertArrayEquals(PINNED, draws(PLAIN.withSeed(7)));
  }

  private static final int[] PINNED = {3, 0, 7, 4, 3, 1, 3, 2, 1, 3, 0, 7};

  @Test
  void aRandomSeedCanBeDrawnAgain() {
    SamplingParams random =
        new SamplingParams(1, 0, 1, 0, 1, Penalties.OFF, Dry.OFF, Map.of(), OptionalLong.empty());
    Sampler sampler = new Sampler(random, 8, new int[0]);
    assertEquals(0, sampler.seed() >>> 53, "short enough to be typed, and no minus");
    Sampler again = new Sampler(random.withSeed(sampler.seed()), 8, new int[0]);
    float[] flat = new float[8];
    for (int i = 0; i < 20; i++) {
      assertEquals(sampler.sample(flat), again.sample(flat));
    }
  }

  @Test
  void minusOneIsARandomSeedAndNoneIsBelow() {
    assertEquals(OptionalLong.empty(), PLAIN.withSeed(7).withSeed(-1).seed());
    assertEquals(PLAIN, PLAIN.withSeed(-1).withSeed(42));
    assertThrows(IllegalArgumentException.class, () -> PLAIN.withSeed(-2));
  }

  @Test
  void theSeedsOfSeveralAnswersCountUpAndNeverReachMinusOne() {
    assertEquals(PLAIN.withSeed(9), PLAIN.withSeed(7).forAnswer(2));
    assertEquals(PLAIN.withSeed(0), PLAIN.withSeed(Long.MAX_VALUE).forAnswer(1));
    assertEquals(OptionalLong.empty(), PLAIN.withSeed(-1).forAnswer(3).seed());
  }

  @Test
  void aForkKeepsTheHistoryAndGoesItsOwnWay() {
    Sampler sampler = new Sampler(PLAIN.withPenalties(1, -1, 0, 1000), 64, new int[] {1});
    sampler.accept(2);
    float[] flat = new float[64];
    Sampler same = sampler.fork(0);
    Sampler other = sampler.fork(1);
    boolean differs = false;
    for (int i = 0; i < 50; i++) {
      int token = sampler.sample(flat);
      assertEquals(token, same.sample(flat));
      int own = other.sample(flat);
      assertTrue(own != 1 && own != 2);
      differs |= own != token;
    }
    assertTrue(differs);
    other.accept(3);
    assertEquals(sampler.sample(flat), same.sample(flat));
  }

  @Test
  void aRowMayLieInMemoryAndStaysAsItIs() {
    float[] logits = {1, 9, 5};
    Sampler sampler = new Sampler(SamplingParams.GREEDY, 3, new int[0]);
    assertEquals(1, sampler.sample(MemorySegment.ofArray(logits)));
    Sampler biased = new Sampler(SamplingParams.GREEDY.withLogitBias(Map.of(1, NO)), 3, new int[0]);
    assertEquals(2, biased.sample(logits));
    assertArrayEquals(new float[] {1, 9, 5}, logits);
  }

  static Stream<SamplingParams> decidedByCandidates() {
    return Stream.of(
        SamplingParams.GREEDY,
        SamplingParams.DEFAULT,
        PLAIN.withTopK(1),
        PLAIN.withTopK(64),
        PLAIN.withTopK(128),
        PLAIN.withTopK(20).withTemperature(3),
        PLAIN.withTopK(50).withTopP(0.7),
        PLAIN.withTopK(50).withMinP(0.2),
        PLAIN.withTopK(50).withTypicalP(0.6).withTopP(0.9).withMinP(0.01));
  }

  @ParameterizedTest
  @MethodSource("decidedByCandidates")
  void theBestLogitsDrawWhatTheWholeRowDraws(SamplingParams params) {
    SplittableRandom random = new SplittableRandom(1);
    for (int vocabulary : new int[] {5, 300, 1000}) {
      Sampler whole = new Sampler(params.withSeed(9), vocabulary, new int[0]);
      Sampler best = new Sampler(params.withSeed(9), vocabulary, new int[0]);
      for (int i = 0; i < 200; i++) {
        float[] row = row(random, vocabulary);
        // more than are wanted, as a step picks them
        int k = Math.min(128, vocabulary);
        int[] ids =
            IntStream.range(0, vocabulary)
                .boxed()
                .sorted((a, b) -> row[a] == row[b] ? a - b : row[a] > row[b] ? -1 : 1)
                .limit(k)
                .mapToInt(Integer::intValue)
                .toArray();
        float[] values = new float[k];
        for (int j = 0; j < k; j++) {
          values[j] = row[ids[j]];
        }
        assertEquals(whole.sample(row), best.sample(ids, values), "draw " + i);
      }
    }
  }

  /** Ties, zeros of both signs and tokens that are out of the question among them. */
  private static float[] row(SplittableRandom random, int n) {
    float[] row = new float[n];
    for (int i = 0; i < n; i++) {
      row[i] =
          switch (random.nextInt(8)) {
            case 0 -> NO;
            case 1 -> 1;
            case 2 -> random.nextBoolean() ? 0f : -0f;
            default -> (float) random.nextGaussian(0, 3);
          };
    }
    row[random.nextInt(n)] = 2;
    return row;
  }

  @Test
  void whateverLooksAtAllLogitsHasNoCandidates() {
    assertEquals(1, SamplingParams.GREEDY.withTopK(40).candidates());
    assertEquals(40, SamplingParams.DEFAULT.candidates());
    SamplingParams penalised = SamplingParams.GREEDY.withPenalties(1.1, 64, 0, 0);
    for (SamplingParams params :
        new SamplingParams[] {
          PLAIN,
          penalised,
          SamplingParams.GREEDY.withDry(new Dry(1, 2, 2, -1, Set.of())),
          SamplingParams.GREEDY.withLogitBias(Map.of(1, 1f))
        }) {
      assertEquals(0, params.candidates());
    }
    SamplingParams windowless = penalised.withPenalties(1.1, 0, 1, 1);
    assertEquals(1, windowless.candidates(), "no window");
    assertEquals(0, windowless.withCounted(Counted.GENERATED).candidates());
    Sampler sampler = new Sampler(penalised, 3, new int[0]);
    assertThrows(
        IllegalArgumentException.class, () -> sampler.sample(new int[] {1}, new float[] {9}));
  }

  private static int greedy(float... logits) {
    return new Sampler(SamplingParams.GREEDY, logits.length, new int[0]).sample(logits);
  }

  @Test
  void samplersThatShareTheirScratchDrawWhatEachDrawsAlone() {
    SamplingScratch scratch = new SamplingScratch(8);
    SamplingParams params = PLAIN.withPenalties(1, -1, 0.5, 0.5).withTopP(0.9);
    Sampler a = new Sampler(params.withSeed(1), scratch, new int[] {3});
    Sampler b = new Sampler(params.withSeed(2), scratch, new int[] {4});
    Sampler aloneA = new Sampler(params.withSeed(1), 8, new int[] {3});
    Sampler aloneB = new Sampler(params.withSeed(2), 8, new int[] {4});
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < 50; i++) {
      float[] row = new float[8];
      for (int id = 0; id < row.length; id++) {
        row[id] = (float) random.nextGaussian();
      }
      int token = aloneA.sample(row);
      assertEquals(token, a.sample(row));
      a.accept(token);
      aloneA.accept(token);
      token = aloneB.sample(row);
      assertEquals(token, b.sample(row));
      b.accept(token);
      aloneB.accept(token);
    }
  }

  private static int[] draws(SamplingParams params) {
    Sampler sampler = new Sampler(params, 8, new int[0]);
    float[] flat = new float[8];
    return IntStream.range(0, 12).map(i -> sampler.sample(flat)).toArray();
  }
}
