package dev.yuzui.parallel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class RebalancerTest {
  @Test
  void aDeviceKeepsWhatItHasAndTakesTheRestInTheFreedSlots() {
    assertEquals(
        List.of(List.of(0, 5, 2), List.of(3, 4, 1)),
        Rebalancer.matched(
            List.of(List.of(0, 1, 2), List.of(3, 4, 5)),
            List.of(List.of(0, 2, 5), List.of(1, 3, 4))));
  }

  @Test
  void setsGoToTheDeviceThatHasMostOfThem() {
    assertEquals(
        List.of(List.of(0, 1), List.of(2, 3)),
        Rebalancer.matched(
            List.of(List.of(0, 1), List.of(2, 3)), List.of(List.of(2, 3), List.of(0, 1))));
  }

  @Test
  void devicesOfOtherSizesTakeNoPart() {
    assertEquals(
        List.of(List.of(7), List.of(2, 0), List.of()),
        Rebalancer.matched(
            List.of(List.of(1), List.of(2, 3), List.of()),
            List.of(List.of(7), List.of(0, 2), List.of())));
  }
}
