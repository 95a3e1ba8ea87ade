package dev.yuzui.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.model.Point;
import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Part;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class VerdictTest {
  private static final Encoding Q4_K = new Encoding.Q4_K();
  private static final Encoding Q6_K = new Encoding.Q6_K();

  private final Map<Place, List<Weighed>> weights = new LinkedHashMap<>();
  private final List<Reading> readings = new ArrayList<>();

  /** A layer's experts, whose down projection has a type of its own. */
  private void experts(int layer, Encoding down, double error) {
    Place place = new Place(Phase.PROMPT, layer, Point.FEED_FORWARD);
    weights.put(
        place,
        List.of(
            new Weighed(Part.EXPERT_UP, "blk." + layer + ".up.weight[0]", Q4_K, "groupedMatmul"),
            new Weighed(Part.EXPERT_DOWN, "blk." + layer + ".down", down, "groupedMatmul")));
    Deviation off = new Deviation(error, error, error);
    readings.add(new Reading(place, List.of(), Bounds.BLOCKS, off, off));
  }

  private Verdict verdict() {
    return Verdict.of(readings, weights, 9).orElseThrow();
  }

  @Test
  void typesThatAreRightInOtherLayersAreNoSuspects() {
    experts(1, Q4_K, 0.006);
    experts(2, Q6_K, 0.4);
    experts(3, Q4_K, 0.007);
    experts(4, Q6_K, 0.5);
    assertEquals(List.of("groupedMatmul Q6_K (blk.2.down)"), verdict().suspects());
    assertEquals(
        "prompt, layer 2, expert output 0.40 where 0.050 is allowed (the same of other layers:"
            + " 7.0e-03 at most); 1 more are too far off",
        verdict().because());
  }

  @Test
  void whereTypesExplainNothingAllOpsAreSuspects() {
    experts(1, Q6_K, 0.4);
    experts(2, Q6_K, 0.006);
    assertEquals(
        List.of(
            "groupedMatmul Q4_K (blk.1.up)",
            "groupedMatmul Q6_K (blk.1.down)",
            "siluMul",
            "permute",
            "combine"),
        verdict().suspects());
  }

  @Test
  void nothingIsSaidOfWhatIsWithinBounds() {
    experts(1, Q6_K, Bounds.BLOCKS);
    assertTrue(Verdict.of(readings, weights, 9).isEmpty());
  }

  @Test
  void noNumberIsInfinitelyFarOff() {
    Deviation.Sum sum = new Deviation.Sum();
    sum.add(new float[] {1, Float.NaN}, new float[] {1, 2}, 0, 2);
    assertEquals(Double.POSITIVE_INFINITY, sum.total().relative());
    Deviation.Sum both = new Deviation.Sum();
    both.add(
        new float[] {1, Float.NEGATIVE_INFINITY}, new float[] {1, Float.NEGATIVE_INFINITY}, 0, 2);
    assertEquals(new Deviation(0, 0, 0), both.total());
  }

  @Test
  void errorsAreOfTheNormAndOfTheWorstToken() {
    Deviation.Sum sum = new Deviation.Sum();
    float[] wanted = {3, 4, 0, 10};
    sum.add(new float[] {3, 4, 0, 10}, wanted, 0, 2);
    sum.add(new float[] {3, 4, 0, 9}, wanted, 2, 4);
    Deviation total = sum.total();
    assertEquals(1 / Math.sqrt(125), total.relative(), 1e-12);
    assertEquals(0.1, total.worstToken(), 1e-12);
    assertEquals(1, total.largest());
  }

  @Test
  void divergenceIsThatOfTheDistributions() {
    float[] p = {0, (float) Math.log(3)}; // 1/4, 3/4
    float[] q = {5, 5};
    double expected = 0.25 * Math.log(0.5) + 0.75 * Math.log(1.5);
    assertEquals(expected, Logits.divergence(p, q, 0, 2), 1e-7);
    assertEquals(0, Logits.divergence(p, p, 0, 2), 1e-12);
    assertEquals(1, Logits.best(new float[] {Float.NaN, 2, 2, 1}, 0, 4));
  }
}
