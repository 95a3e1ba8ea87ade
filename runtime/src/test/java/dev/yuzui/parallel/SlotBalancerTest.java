package dev.yuzui.parallel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SlotBalancerTest {

  @ParameterizedTest(name = "{0} slots of {1} experts, room for {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          64 | 64 | 22 22 22       | 22 21 21
          64 | 64 | 99 99 99       | 22 21 21
          64 | 64 | 64 64 64 64 64 64 64 64 | 8 8 8 8 8 8 8 8
          72 | 64 | 40 40          | 36 36
          64 | 64 | 10 40 40       | 7 29 28
          64 | 64 | 0 64           | 0 64
          64 | 64 | -5 30 90       | 0 20 44
          64 | 64 | 2 2 60         | 2 2 60
          64 | 64 | 10 10          | 32 32
          64 | 64 | 0 0            | 32 32
          4  | 4  | 9 9 9 9 9 9    | 1 1 1 1 0 0
          100| 64 | 20 64 64       | 13 44 43
          64 | 64 | 1 9999999999   | 1 63
          """)
  void slotsAreEqualWhereThereIsRoomElseInProportionToIt(
      int total, int experts, String room, String slots) {
    long[] rooms = Arrays.stream(room.split(" ")).mapToLong(Long::parseLong).toArray();
    SlotBalancer shared = SlotBalancer.share(total, experts, rooms);
    assertEquals(Arrays.stream(slots.split(" ")).map(Integer::valueOf).toList(), shared.slots());
    assertEquals(total, shared.total());
  }

  @Test
  void roomIsNeverExceededWhereThereIsEnough() {
    Random random = new Random(2);
    for (int i = 0; i < 500; i++) {
      int experts = 1 + random.nextInt(80);
      long[] room = random.longs(1 + random.nextInt(9), -3, 90).toArray();
      long enough = Arrays.stream(room).map(r -> Math.clamp(r, 0, experts)).sum();
      if (enough >= experts) {
        int total = (int) (experts + random.nextLong(enough - experts + 1));
        List<Integer> slots = SlotBalancer.share(total, experts, room).slots();
        for (int d = 0; d < room.length; d++) {
          assertTrue(slots.get(d) <= Math.clamp(room[d], 0, experts), slots + " in room");
        }
        assertEquals(total, slots.stream().mapToInt(s -> s).sum());
      }
    }
  }

  @Test
  void whateverTheSlotsEachIsFullAndEveryExpertSomewhere() {
    Random random = new Random(1);
    for (int i = 0; i < 500; i++) {
      int experts = 1 + random.nextInt(40);
      List<Integer> slots =
          IntStream.range(0, 1 + random.nextInt(8))
              .mapToObj(_ -> random.nextInt(experts + 1))
              .toList();
      SlotBalancer balancer = new SlotBalancer(slots);
      long[] tokens = random.longs(experts, 0, 1 << random.nextInt(20)).toArray();
      if (balancer.total() < experts) {
        assertThrows(IllegalArgumentException.class, () -> balancer.place(tokens));
        continue;
      }
      ExpertPlacement placement = balancer.place(tokens);
      assertEquals(slots, placement.devices().stream().map(List::size).toList());
      for (List<Integer> device : placement.devices()) {
        assertEquals(device.size(), Set.copyOf(device).size(), "an expert twice on " + device);
      }
      assertTrue(Arrays.stream(placement.replicas()).allMatch(r -> r >= 1), "all are somewhere");
    }
  }

  /** 64 experts, one of which gets a third of the tokens, on devices of unequal room. */
  @Test
  void hotExpertsAreEvenedOutOverUnequalDevices() {
    long[] tokens = new long[64];
    Arrays.fill(tokens, 10);
    tokens[40] = 315;
    SlotBalancer alone = new SlotBalancer(List.of(4, 30, 30));
    assertTrue(alone.inOrder().imbalance(tokens) > 1.9);
    assertTrue(alone.place(tokens).imbalance(tokens) < 1.1, "the hot one where few others are");
    SlotBalancer more = new SlotBalancer(List.of(16, 28, 28));
    assertTrue(more.place(tokens).imbalance(tokens) < 1.1);
    assertEquals(3, more.place(tokens).replicas()[40], "held everywhere");
  }

  @Test
  void threeDevicesHold64ExpertsInOrder() {
    ExpertPlacement placement = new SlotBalancer(List.of(22, 21, 21)).inOrder();
    assertEquals(ExpertPlacement.inOrder(64, 3), placement);
  }

  @Test
  void moreSlotsThanExpertsOnADeviceIsAMistake() {
    assertThrows(
        IllegalArgumentException.class, () -> new SlotBalancer(List.of(5, 1)).place(new long[4]));
  }
}
