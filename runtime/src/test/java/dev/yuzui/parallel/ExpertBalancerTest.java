package dev.yuzui.parallel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExpertBalancerTest {

  /** The example in the README of DeepSeek's EPLB: 4 groups on 2 nodes of 4 devices, 16 slots. */
  @Test
  void thePublishedExampleIsPlacedAsPublished() {
    ExpertBalancer balancer = new ExpertBalancer(12, 4, 2, 8, 4);
    assertTrue(balancer.hierarchical());
    assertEquals(
        placement("5 6|5 7|4 8|3 4|9 10|2 10|0 1|1 11"),
        balancer.place(new long[] {90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86}));
    assertEquals(
        placement("7 10|6 8|6 11|8 9|2 4|1 5|0 5|1 3"),
        balancer.place(new long[] {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27}));
  }

  @ParameterizedTest(name = "{0} experts, {1} groups, {2} nodes, {3} devices, {4} redundant")
  @CsvSource({
    "256, 8,  1,   8,  32",
    "256, 8,  1,   8,  64",
    "256, 8,  2,  16,  32",
    "256, 8,  4,  32,  32",
    "256, 8, 18, 144,  32",
    "256, 8,  8,  64,   0",
    " 16, 4,  2,   4,   4",
    " 64, 1,  2,  16,  16",
    "  6, 1,  1,   3,   9",
    "  8, 2,  2,   8,   8",
  })
  void whateverTheLoadsEveryPlacementIsWhole(
      int experts, int groups, int nodes, int devices, int redundant) {
    ExpertBalancer balancer = new ExpertBalancer(experts, groups, nodes, devices, redundant);
    Random random = new Random(1);
    for (int i = 0; i < 50; i++) {
      long[] tokens = i == 0 ? new long[experts] : zipf(experts, random.nextDouble(3), random);
      ExpertPlacement placement = balancer.place(tokens);
      assertEquals(devices, placement.devices().size());
      for (List<Integer> device : placement.devices()) {
        assertEquals(balancer.slots(), device.size(), "slots of a device");
        assertEquals(device.size(), Set.copyOf(device).size(), "an expert twice on " + device);
      }
      int[] replicas = placement.replicas();
      assertTrue(Arrays.stream(replicas).allMatch(r -> r >= 1), "each expert is somewhere");
      assertEquals(experts + redundant, Arrays.stream(replicas).sum());
      assertEquals(placement, balancer.place(tokens), "the same each time");
      if (balancer.hierarchical()) {
        assertGroupsStayTogether(placement, experts / groups, devices / nodes);
      }
    }
  }

  private static void assertGroupsStayTogether(
      ExpertPlacement placement, int groupSize, int nodeDevices) {
    int[] nodeOf = new int[placement.experts() / groupSize];
    Arrays.fill(nodeOf, -1);
    for (int d = 0; d < placement.devices().size(); d++) {
      int node = d / nodeDevices;
      for (int e : placement.devices().get(d)) {
        int group = e / groupSize;
        assertTrue(nodeOf[group] < 0 || nodeOf[group] == node, "group " + group + " on two nodes");
        nodeOf[group] = node;
      }
    }
  }

  @Test
  void groupsThatDoNotDivideByNodesAreNotKeptTogether() {
    assertFalse(new ExpertBalancer(256, 8, 18, 144, 32).hierarchical());
    assertFalse(new ExpertBalancer(64, 1, 2, 16, 0).hierarchical());
  }

  /** Shares 1/rank^s, ranks drawn: s = 1 is Zipf's law, s = 3 gives one expert 83 %. */
  @ParameterizedTest(name = "Zipf({0})")
  @ValueSource(doubles = {0, 0.5, 1, 1.5, 2, 3})
  void eightDevicesWithAQuarterMoreSlotsAreBalanced(double exponent) {
    ExpertBalancer balancer = new ExpertBalancer(256, 8, 1, 8, 64);
    Random random = new Random(7);
    double inOrder = 0;
    for (int layer = 0; layer < 58; layer++) {
      long[] tokens = zipf(256, exponent, random);
      double balanced = balancer.place(tokens).imbalance(tokens);
      assertTrue(balanced <= 1.15, "max/mean " + balanced);
      inOrder = Math.max(inOrder, ExpertPlacement.inOrder(256, 8).imbalance(tokens));
    }
    assertTrue(exponent < 0.5 || inOrder > 1.15, "worth balancing: " + inOrder);
  }

  @Test
  void aLayerWhereEveryTokenTakesOneExpertIsBalanced() {
    long[] tokens = new long[256];
    tokens[77] = 1_000_000;
    ExpertBalancer balancer = new ExpertBalancer(256, 8, 1, 8, 64);
    assertEquals(1, balancer.place(tokens).imbalance(tokens), 1e-12);
    assertEquals(8, ExpertPlacement.inOrder(256, 8).imbalance(tokens), 1e-12);
  }

  @Test
  void allLayersOfALargeModelArePlacedAtOnce() {
    Random random = new Random(3);
    List<long[]> layers = IntStream.range(0, 58).mapToObj(_ -> zipf(256, 1, random)).toList();
    for (int devices : new int[] {8, 16, 32, 144}) {
      ExpertBalancer balancer = new ExpertBalancer(256, 8, Math.max(1, devices / 8), devices, 32);
      for (long[] tokens : layers) {
        double before = ExpertPlacement.inOrder(256, devices).imbalance(tokens);
        double after = balancer.place(tokens).imbalance(tokens);
        assertTrue(after < before, devices + " devices: " + after + ", in order " + before);
      }
    }
  }

  /** Greedy choices against the best of all placements with those slots. */
  @Test
  void tinyPlacementsAreNearTheBest() {
    Random random = new Random(5);
    double worst = 1;
    double sum = 0;
    for (int i = 0; i < 100; i++) {
      int devices = 2 + random.nextInt(2);
      int slots = 2 + random.nextInt(2);
      int experts = Math.max(slots, devices * slots - random.nextInt(3));
      ExpertBalancer balancer =
          new ExpertBalancer(experts, 1, 1, devices, devices * slots - experts);
      long[] tokens = random.longs(experts, 1, 100).toArray();
      double found = balancer.place(tokens).imbalance(tokens);
      double best = best(tokens, devices, slots, 0, new ArrayList<>());
      assertTrue(found >= best - 1e-9, found + " is better than the best, " + best);
      worst = Math.max(worst, found / best);
      sum += found / best;
    }
    assertTrue(worst <= 1.4, "the worst is " + worst + " times the best");
    assertTrue(sum / 100 <= 1.05, "on average they are " + sum / 100 + " times the best");
  }

  /** Tries all sets of experts on all devices. */
  private static double best(
      long[] tokens, int devices, int slots, int from, List<List<Integer>> held) {
    if (held.size() == devices) {
      ExpertPlacement placement = new ExpertPlacement(tokens.length, held);
      boolean whole = Arrays.stream(placement.replicas()).allMatch(r -> r >= 1);
      return whole ? placement.imbalance(tokens) : Double.POSITIVE_INFINITY;
    }
    double best = Double.POSITIVE_INFINITY;
    for (int set = from; set < 1 << tokens.length; set++) {
      if (Integer.bitCount(set) == slots) {
        int members = set;
        List<List<Integer>> more = new ArrayList<>(held);
        more.add(
            IntStream.range(0, tokens.length)
                .filter(e -> (members >> e & 1) == 1)
                .boxed()
                .toList());
        best = Math.min(best, best(tokens, devices, slots, set, more));
      }
    }
    return best;
  }

  @ParameterizedTest(name = "{5}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          256 | 8 | 1 | 7  | 32 | ExpertBalancer.redundant: expected 31 or 38, so that 256 experts and they divide by 7 devices, found 32
          256 | 8 | 1 | 300| 0  | ExpertBalancer.redundant: expected 44, so that 256 experts and they divide by 300 devices, found 0
          16  | 4 | 3 | 8  | 0  | ExpertBalancer.nodes: expected a divisor of ExpertBalancer.devices 8, found 3
          8   | 2 | 2 | 4  | 16 | ExpertBalancer.redundant: expected at most 8, which is every expert of a node on each of its devices, found 16
          """)
  void whatDoesNotDivideIsRefusedWithWhatWould(
      int experts, int groups, int nodes, int devices, int redundant, String message) {
    assertEquals(
        message,
        assertThrows(
                ParallelException.class,
                () -> new ExpertBalancer(experts, groups, nodes, devices, redundant))
            .getMessage());
  }

  @Test
  void replicasShareTheirExpertsTokens() {
    ExpertPlacement placement = placement("0 1|0 2");
    assertArrayEquals(new double[] {25, 35}, placement.loads(new long[] {30, 10, 20}));
    assertEquals(35 / 30.0, placement.imbalance(new long[] {30, 10, 20}), 1e-12);
    assertEquals(1, placement.imbalance(new long[3]));
  }

  @Test
  void inOrderExpertsLieAsTheyAreNumbered() {
    assertEquals(placement("0 1|2|3 4|5"), ExpertPlacement.inOrder(6, 4));
  }

  private static ExpertPlacement placement(String text) {
    List<List<Integer>> devices =
        Arrays.stream(text.split("\\|"))
            .map(d -> Arrays.stream(d.split(" ")).map(Integer::valueOf).toList())
            .toList();
    Set<Integer> experts = new HashSet<>();
    devices.forEach(experts::addAll);
    return new ExpertPlacement(experts.size(), devices);
  }

  /** A million tokens, in shares 1/rank^exponent. */
  private static long[] zipf(int experts, double exponent, Random random) {
    List<Integer> ranks = new ArrayList<>(IntStream.rangeClosed(1, experts).boxed().toList());
    Collections.shuffle(ranks, random);
    double sum = ranks.stream().mapToDouble(r -> Math.pow(r, -exponent)).sum();
    return ranks.stream().mapToLong(r -> Math.round(1e6 * Math.pow(r, -exponent) / sum)).toArray();
  }
}
