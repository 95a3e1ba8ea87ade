package dev.yuzui.parallel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class HotExpertsTest {
  private static final long[] ONE = {1, 1, 1};

  @Test
  void theBudgetGoesWhereTheMostTokensStay() {
    List<long[]> tokens =
        List.of(new long[] {70, 10, 10, 10}, new long[] {4, 3, 2, 1}, new long[] {1, 1, 1, 997});
    assertEquals(List.of(List.of(0), List.of(0, 1), List.of(3)), HotExperts.within(4, tokens, ONE));
    assertEquals(
        (0.7 + 0.7 + 0.997) / 3, HotExperts.share(tokens, HotExperts.within(4, tokens, ONE)), 1e-9);
  }

  @Test
  void withoutCountsEveryLayerHasItsFirstExperts() {
    List<long[]> tokens = List.of(equal(4), equal(4), equal(4));
    assertEquals(
        List.of(List.of(0, 1), List.of(0, 1), List.of(0)), HotExperts.within(5, tokens, ONE));
    assertEquals(List.of(List.of(), List.of(), List.of()), HotExperts.within(0, tokens, ONE));
  }

  @Test
  void whereExpertsTakeNoMemoryAllAreThere() {
    List<long[]> tokens = List.of(equal(3), new long[3]);
    assertEquals(
        List.of(List.of(0, 1, 2), List.of(0, 1, 2)),
        HotExperts.within(0, tokens, new long[] {0, 0}));
  }

  /** Layers of unequal experts, against the best of all choices. */
  @Test
  void nearlyAsManyTokensStayAsCould() {
    Random random = new Random(4);
    for (int i = 0; i < 50; i++) {
      List<long[]> tokens =
          List.of(random.longs(5, 1, 100).toArray(), random.longs(5, 1, 100).toArray());
      long[] bytes = {8 + random.nextInt(4), 8 + random.nextInt(4)};
      List<List<Integer>> chosen = HotExperts.within(50, tokens, bytes);
      long used = chosen.get(0).size() * bytes[0] + chosen.get(1).size() * bytes[1];
      assertTrue(used <= 50, used + " of 50 bytes");
      double best = best(tokens, bytes);
      double found = HotExperts.share(tokens, chosen);
      assertTrue(found <= best + 1e-9 && found >= 0.9 * best, found + " of " + best);
    }
  }

  private static double best(List<long[]> tokens, long[] bytes) {
    double best = 0;
    for (int set = 0; set < 1 << 10; set++) {
      List<List<Integer>> chosen = List.of(new ArrayList<>(), new ArrayList<>());
      int members = set;
      IntStream.range(0, 10)
          .filter(e -> (members >> e & 1) == 1)
          .forEach(e -> chosen.get(e / 5).add(e % 5));
      if (chosen.get(0).size() * bytes[0] + chosen.get(1).size() * bytes[1] <= 50) {
        best = Math.max(best, HotExperts.share(tokens, chosen));
      }
    }
    return best;
  }

  private static long[] equal(int n) {
    long[] tokens = new long[n];
    Arrays.fill(tokens, 1);
    return tokens;
  }
}
