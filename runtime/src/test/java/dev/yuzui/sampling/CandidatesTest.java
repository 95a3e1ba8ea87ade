package dev.yuzui.sampling;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Scale;

/** Each filter keeps what the plainest form of its definition keeps. */
class CandidatesTest {
  /** A distance this small from a threshold may fall on either side of it. */
  private static final double EDGE = 1e-6;

  @Property(tries = 300)
  void topKKeepsTheKBestTiesToTheLowerId(
      @ForAll("logits") float[] logits, @ForAll @IntRange(min = 1, max = 50) int k) {
    Candidates candidates = filled(logits);
    candidates.topK(k);
    assertEquals(ranked(logits).stream().limit(k).toList(), ids(candidates));
  }

  @Property(tries = 300)
  void topPKeepsTheShortestRunThatReachesP(
      @ForAll("logits") float[] logits,
      @ForAll @Scale(6) @DoubleRange(min = 0.01, max = 0.99) double p) {
    List<Integer> expected = new ArrayList<>();
    double[] share = shares(logits);
    double sum = 0;
    for (int id : ranked(logits)) {
      if (Math.abs(sum - p) < EDGE) {
        return;
      }
      if (sum >= p) {
        break;
      }
      expected.add(id);
      sum += share[id];
    }
    Candidates candidates = filled(logits);
    candidates.topP(p);
    assertEquals(expected, ids(candidates));
  }

  @Property(tries = 300)
  void minPKeepsWhatIsPTimesAsProbableAsTheBest(
      @ForAll("logits") float[] logits,
      @ForAll @Scale(6) @DoubleRange(min = 0.001, max = 1) double p) {
    double[] share = shares(logits);
    double best = share[ranked(logits).getFirst()];
    List<Integer> expected = new ArrayList<>();
    for (int id = 0; id < logits.length; id++) {
      if (Math.abs(share[id] / best - p) < EDGE && share[id] != best) {
        return;
      }
      if (logits[id] > Float.NEGATIVE_INFINITY && share[id] >= p * best) {
        expected.add(id);
      }
    }
    Candidates candidates = filled(logits);
    candidates.minP(p);
    assertEquals(expected, ids(candidates));
  }

  @Property(tries = 300)
  void typicalKeepsTheLeastSurprisingSurprises(
      @ForAll("logits") float[] logits,
      @ForAll @Scale(6) @DoubleRange(min = 0.01, max = 0.99) double p) {
    double[] share = shares(logits);
    double entropy = 0;
    for (double s : share) {
      entropy -= s == 0 ? 0 : s * Math.log(s);
    }
    double h = entropy;
    List<Integer> byDistance =
        ranked(logits).stream()
            .sorted(
                Comparator.comparingDouble((Integer id) -> Math.abs(-Math.log(share[id]) - h))
                    .thenComparing(id -> id))
            .toList();
    List<Integer> expected = new ArrayList<>();
    double sum = 0;
    for (int i = 0; i < byDistance.size() && sum < p; i++) {
      int id = byDistance.get(i);
      expected.add(id);
      sum += share[id];
      boolean tied =
          i + 1 < byDistance.size()
              && Math.abs(
                      Math.abs(-Math.log(share[id]) - h)
                          - Math.abs(-Math.log(share[byDistance.get(i + 1)]) - h))
                  < EDGE
              && logits[id] != logits[byDistance.get(i + 1)];
      if (tied || Math.abs(sum - p) < EDGE) {
        return;
      }
    }
    expected.sort(Comparator.comparingInt(ranked(logits)::indexOf));
    Candidates candidates = filled(logits);
    candidates.typical(p);
    assertEquals(expected, ids(candidates));
  }

  @Property(tries = 200)
  void filtersAfterOneAnotherSeeOnlyWhatIsLeft(
      @ForAll("logits") float[] logits, @ForAll @IntRange(min = 1, max = 50) int k) {
    Candidates candidates = filled(logits);
    candidates.topK(k);
    candidates.typical(0.9);
    candidates.topP(0.8);
    List<Integer> left = ids(candidates);

    float[] rest = new float[logits.length];
    Arrays.fill(rest, Float.NEGATIVE_INFINITY);
    ranked(logits).stream().limit(k).forEach(id -> rest[id] = logits[id]);
    Candidates step = filled(rest);
    step.topK(rest.length);
    step.typical(0.9);
    float[] typical = new float[logits.length];
    Arrays.fill(typical, Float.NEGATIVE_INFINITY);
    ids(step).forEach(id -> typical[id] = logits[id]);
    Candidates last = filled(typical);
    last.topK(rest.length);
    last.topP(0.8);
    assertEquals(ids(last), left);
  }

  @Property(tries = 100)
  void aDrawIsTheInverseOfTheCumulativeShares(
      @ForAll("logits") float[] logits,
      @ForAll @Scale(6) @DoubleRange(min = 0.1, max = 3) double temperature,
      @ForAll @Scale(6) @DoubleRange(max = 0.999999) double u) {
    Candidates candidates = filled(logits);
    candidates.topK(logits.length);
    float[] scaled = new float[logits.length];
    for (int i = 0; i < logits.length; i++) {
      scaled[i] = (float) (logits[i] / temperature);
    }
    double[] share = shares(scaled);
    double sum = 0;
    for (int id : ranked(logits)) {
      sum += share[id];
      if (Math.abs(sum - u) < 1e-4) {
        return;
      }
      if (sum > u) {
        assertEquals(id, candidates.draw(temperature, u));
        return;
      }
    }
  }

  @Property(tries = 20)
  void aWideVocabularyIsCutExactly(@ForAll @IntRange(max = 1_000_000) int seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] logits = new float[20_000];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = random.nextInt(64) / 16f; // flat, and full of ties
    }
    Candidates candidates = filled(logits);
    candidates.topP(0.9);
    double[] share = shares(logits);
    List<Integer> kept = ids(candidates);
    assertEquals(ranked(logits).subList(0, kept.size()), kept);
    double sum = kept.stream().mapToDouble(id -> share[id]).sum();
    assertEquals(0.9, sum, 2 * share[kept.getLast()]);
  }

  @Example
  void aShareThatIsReachedExactlyIsEnough() {
    float[] two = {1, 1};
    Candidates topP = filled(two);
    topP.topP(0.5);
    assertEquals(List.of(0), ids(topP));
    Candidates typical = filled(two);
    typical.typical(0.5);
    assertEquals(List.of(0), ids(typical));
    assertEquals(1, filled(two).draw(1, 0.5), "the first has what lies below 0.5");
  }

  /** Sums of the same numbers in another order may stay below p of the total. */
  @Example
  void aProbabilityNextToOneEndsWithTheLastToken() {
    SplittableRandom random = new SplittableRandom(1);
    double p = Math.nextDown(1.0);
    for (int round = 0; round < 200; round++) {
      float[] logits = row(random, 300, 0, 1);
      double[] share = shares(logits);
      Candidates topP = filled(logits);
      topP.topP(p);
      assertEquals(1, ids(topP).stream().mapToDouble(id -> share[id]).sum(), 1e-12);
      Candidates typical = filled(logits);
      typical.typical(p);
      assertEquals(1, ids(typical).stream().mapToDouble(id -> share[id]).sum(), 1e-12);
      assertEquals(299, filled(logits).draw(1, p));
    }
  }

  @Example
  void aTokenWhoseProbabilityIsNoNumberAboveZeroIsTheLeastTypical() {
    Candidates candidates = filled(new float[] {-1000, 0, 0});
    candidates.typical(0.9);
    assertEquals(List.of(1, 2), ids(candidates));
  }

  @Example
  void ofARowsBestSoManyAreTakenButThoseOfNoProbability() {
    int[] best = {7, 3, 5};
    Candidates candidates = new Candidates(8);
    candidates.take(best, new float[] {2, 1, 0}, 2);
    assertEquals(List.of(7, 3), ids(candidates));
    candidates.take(best, new float[] {2, 1, Float.NEGATIVE_INFINITY}, 3);
    assertEquals(List.of(7, 3), ids(candidates));
  }

  @Example
  void aRowOwesNothingToTheRowsBeforeIt() {
    SplittableRandom random = new SplittableRandom(1);
    Candidates used = new Candidates(3000);
    for (int round = 0; round < 200; round++) {
      float[] logits = row(random, 3000, random.nextGaussian(0, 5), random.nextDouble(3));
      double p = random.nextDouble(0.3, 1);
      used.fill(logits);
      used.topP(p);
      Candidates fresh = filled(logits);
      fresh.topP(p);
      assertEquals(ids(fresh), ids(used));
    }
  }

  @Provide
  Arbitrary<float[]> logits() {
    Arbitrary<Float> coarse = Arbitraries.integers().between(-8, 8).map(i -> i / 2f);
    Arbitrary<Float> fine = Arbitraries.floats().between(-20, 20);
    Arbitrary<Float> none = Arbitraries.just(Float.NEGATIVE_INFINITY);
    return Arbitraries.frequencyOf(Tuple.of(4, coarse), Tuple.of(4, fine), Tuple.of(1, none))
        .array(float[].class)
        .ofMinSize(1)
        .ofMaxSize(40)
        .filter(l -> IntStream.range(0, l.length).anyMatch(i -> l[i] > Float.NEGATIVE_INFINITY));
  }

  private static Candidates filled(float[] logits) {
    Candidates candidates = new Candidates(logits.length);
    candidates.fill(logits);
    return candidates;
  }

  private static float[] row(SplittableRandom random, int length, double middle, double spread) {
    float[] logits = new float[length];
    for (int i = 0; i < length; i++) {
      logits[i] = (float) random.nextGaussian(middle, spread);
    }
    return logits;
  }

  private static List<Integer> ids(Candidates candidates) {
    return IntStream.range(0, candidates.size()).mapToObj(candidates::id).toList();
  }

  private static List<Integer> ranked(float[] logits) {
    return IntStream.range(0, logits.length)
        .boxed()
        .filter(id -> logits[id] > Float.NEGATIVE_INFINITY)
        .sorted(Comparator.comparing((Integer id) -> -logits[id] + 0f).thenComparing(id -> id))
        .toList();
  }

  private static double[] shares(float[] logits) {
    double max = ranked(logits).stream().mapToDouble(id -> logits[id]).max().orElseThrow();
    double[] share = new double[logits.length];
    double sum = 0;
    for (int i = 0; i < share.length; i++) {
      share[i] = Math.exp(logits[i] - max);
      sum += share[i];
    }
    for (int i = 0; i < share.length; i++) {
      share[i] /= sum;
    }
    return share;
  }
}
